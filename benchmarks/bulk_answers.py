"""What `topfive bulk` answers, held against what the API answers to the same bytes."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from materials import Materials
from server import clean_environment
from uploads import REPOSITORY, Address, ask

sys.path.insert(0, str(REPOSITORY))

from tests.bulk.command import read_rows
from tests.bulk.exactness import api_answer, bulk_answer, digest
from tests.live_server import form

SHARD_PICTURES = 100


@dataclass(frozen=True, slots=True)
class Answers:
    """Both answers to each picture, in the same order."""

    names: Sequence[Path]
    bulk: Sequence[dict[str, Any]]
    api: Sequence[dict[str, Any]]


def compare_answers(
    materials: Materials, names: Sequence[Path], settings: Mapping[str, str]
) -> Answers:
    """Have `topfive bulk` work on a list of files, and send each of them to a server."""
    listed = materials.folder / "answers.ndjson"
    listed.write_text("".join(json.dumps(str(one.absolute())) + "\n" for one in names))
    results = materials.folder / "answers"
    subprocess.run(
        [
            materials.script, "bulk", listed, "--out", results,
            "--shard-pictures", str(SHARD_PICTURES),
        ],
        env=clean_environment(settings),
        stdout=subprocess.DEVNULL,
        check=True,
    )  # fmt: skip
    with (
        materials.serving("answers-api", {"TOPFIVE_MODEL": settings["TOPFIVE_MODEL"]}) as server,
        ThreadPoolExecutor(4) as pool,
    ):
        told = list(pool.map(lambda name: upload(server.address, name), names))
    return Answers(names, [bulk_answer(row) for row in read_rows(results)], told)


def upload(address: Address, name: Path) -> dict[str, Any]:
    """Send one file as a form; returns what can be compared."""
    body, content_type = form(name.read_bytes())
    _, answer = ask(address, "/predict", body, headers={"Content-Type": content_type}, timeout_s=90)
    return api_answer(json.loads(answer))


def show_answers(found: Answers) -> Iterator[str]:
    """Tell whether they are the same, and what is not."""
    pairs = list(zip(found.names, found.bulk, found.api, strict=True))
    different = [(name, bulk, api) for name, bulk, api in pairs if bulk != api]
    refused = Counter(api.get("code", "classified") for api in found.api)
    yield ""
    yield "## Answers beside the API's"
    yield ""
    yield (
        f"{len(pairs):,} files, each by `topfive bulk` and by `POST /predict`: "
        f"{len(pairs) - len(different):,} answers are the same to the last digit. The API's: "
        f"{', '.join(f'{count} {code}' for code, count in refused.most_common())}."
    )
    yield ""
    yield f"- digest of bulk's answers: `{digest(found.bulk)}`"
    yield f"- digest of the API's: `{digest(found.api)}`"
    for name, bulk, api in different:
        yield f"- {name.name}: bulk {json.dumps(bulk)[:200]}, API {json.dumps(api)[:200]}"
