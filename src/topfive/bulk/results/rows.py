"""What is told of one picture, and of one shard."""

from dataclasses import dataclass, field

from topfive.predictions import ClassScore, ImageInfo


@dataclass(frozen=True, slots=True)
class ReadTimings:
    """How long one picture took, in milliseconds."""

    read_ms: float = 0.0
    decode_ms: float = 0.0
    preprocess_ms: float = 0.0
    inference_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ResultRow:
    r"""One picture of a run: its five most likely classes, or why there are none.

    `index` is its place among all pictures of the run. `path` is its name as text: bytes that are
    no UTF-8 are written as `\xNN`. `sha256` (hexadecimal) and `size_bytes` are those of the bytes
    that were classified; empty and -1 where not all were read. `error` is a failure's code, empty
    where there is none, and `detail` its sentence.
    """

    index: int
    path: str
    size_bytes: int = -1
    sha256: str = ""
    image: ImageInfo | None = None
    classes: tuple[ClassScore, ...] = ()
    error: str = ""
    detail: str = ""
    timings: ReadTimings = ReadTimings()


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """What became of one shard, for the manifest.

    `answers_sha256` is that of its rows without timings (`results.digest`): whoever works on the
    same pictures again gets the same. `errors` counts pictures by their failure's code.
    `began_at` is in seconds since 1970, UTC.
    """

    shard: int
    pictures: int
    answers_sha256: str
    file_bytes: int
    read_bytes: int
    began_at: float
    duration_s: float
    node: str
    errors: dict[str, int] = field(default_factory=dict)
