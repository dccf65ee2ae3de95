"""Fuzzes the steps from bytes to pixels: sniff, decode, preprocess.

Run it with `python -m tests.fuzz.fuzz_pictures`, with libFuzzer's options (-max_total_time=240,
-runs=1000) or files to try again. See `start` for the defaults.
"""

import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from random import Random

import atheris

from tests.fuzz.start import fuzz

with atheris.instrument_imports(include=["PIL", "topfive.images"]):
    from PIL import Image

    from tests import pictures
    from tests.hostile import avif_parts
    from topfive.errors import Failure, OutOfMemory
    from topfive.images.decode import decode
    from topfive.images.heic import is_installed
    from topfive.images.limits import ImageLimits
    from topfive.images.preprocess import least_side, preprocess
    from topfive.images.sniff import sniff
    from topfive.input_recipe import InputRecipe

    # Loads the formats' own modules, so that they are instrumented too.
    Image.init()

HOSTILE = Path(__file__).parents[2].parent / "shared" / "hostile" / "images"
REGRESSIONS = Path(__file__).parents[1] / "hostile" / "regressions"
LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000)
RECIPE = InputRecipe(resize=64, crop=56, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def decode_any(data: bytes) -> None:
    """Decode as the service does; anything but a fair picture or a Failure is a finding."""
    try:
        upload = sniff(data, LIMITS)
        decoded = decode(upload, LIMITS, least_side(RECIPE))
    except OutOfMemory as failure:
        raise AssertionError("a small picture took all the memory") from failure
    except Failure:
        return
    assert decoded.pixels.mode == "RGB", decoded.pixels.mode
    assert 0 < prod(decoded.pixels.size) <= LIMITS.max_pixels, decoded.pixels.size
    assert 0 < prod(decoded.size) <= LIMITS.max_pixels, decoded.size
    assert upload.size is None or prod(decoded.size) <= prod(upload.size), upload.size
    assert preprocess(decoded.pixels, RECIPE).shape == (1, RECIPE.crop, RECIPE.crop, 3)


def seeds() -> list[bytes]:
    """Make small pictures of every kind that the tests know."""
    size = (24, 16)
    made = [
        pictures.jpeg(*size), pictures.jpeg(*size, progressive=True), pictures.cmyk_jpeg(*size),
        pictures.grey_jpeg(*size), pictures.rotated_jpeg(6, *size), pictures.mpo(*size),
        pictures.png(*size), pictures.animated_png(*size), pictures.palette_png_with_hole(*size),
        pictures.rotated(5, "PNG", *size), pictures.alpha_png((9, 8, 7, 6), *size),
        pictures.webp(*size), pictures.webp(*size, lossless=True), pictures.webp_extended(*size),
        pictures.animated_webp(*size), pictures.gif(*size), pictures.animated_gif(*size),
        pictures.bmp(*size), pictures.bmp_top_down(*size), pictures.bmp_core(*size),
        pictures.tiff(*size), pictures.rotated(8, "TIFF", *size),
        pictures.tiff(*size, big_tiff=True),
        pictures.avif(*size), pictures.animated_avif(*size), pictures.rotated_avif(5, *size),
        avif_parts.alpha_avif(*size), avif_parts.avif_of(avif_parts.picture_item()),
    ]  # fmt: skip
    cells = avif_parts.picture_item(), avif_parts.picture_item()
    grid = avif_parts.grid_item(1, 2, 192, 64)
    cell_references = avif_parts.references(b"dimg", 1, 2, 3)
    made.append(avif_parts.avif_of(grid, *cells, references=cell_references))
    if is_installed():
        made += [
            pictures.heic(*size),
            pictures.heic(*size, 6),
            pictures.heic(128, 64, tile_size=64),
        ]
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "group4"):
        image = pictures.draw(*size).convert("1" if compression == "group4" else "RGB")
        made.append(pictures.encode(image, "TIFF", compression=compression))
    for mode in ("1", "L", "LA", "P", "I;16", "RGBA"):
        made.append(pictures.encode(Image.new(mode, size), "PNG"))
    return made


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change a PNG chunk by chunk and a WebP with its lengths kept right, anything else freely."""
    random = Random(seed)
    if random.random() < 0.2:
        return bytes(atheris.Mutate(data, max_size))
    if data.startswith(pictures.PNG_MAGIC):
        changed = pictures.PNG_MAGIC + _changed(data, 8, _split_png, _join_png, random)
    elif data[8:12] == b"WEBP":
        body = b"WEBP" + _changed(data, 12, _split_riff, _join_riff, random)
        changed = b"RIFF" + struct.pack("<I", len(body)) + body
    else:
        changed = bytes(atheris.Mutate(data, max_size))
    return changed[:max_size]


Chunk = tuple[bytes, bytes]


def _changed(
    data: bytes,
    start: int,
    split: Callable[[bytes], list[Chunk]],
    join: Callable[[Chunk], bytes],
    random: Random,
) -> bytes:
    """Change, repeat, drop or move one chunk, and put all together again."""
    chunks = split(data[start:])
    if not chunks:
        return data[start:]
    place = random.randrange(len(chunks))
    action = random.randrange(6)
    if action == 0:
        chunks.insert(random.randrange(len(chunks) + 1), chunks[place])
    elif action == 1:
        del chunks[place]
    elif action == 2:
        chunks.insert(0, chunks.pop(place))
    else:
        name, content = chunks[place]
        chunks[place] = name, _changed_content(name, content, random)
    return b"".join(map(join, chunks))


def _changed_content(name: bytes, content: bytes, random: Random) -> bytes:
    room = len(content) + 64
    if name == b"IDAT" and random.random() < 0.5:
        try:
            plain = zlib.decompressobj().decompress(content, 1_000_000)
        except zlib.error:
            return bytes(atheris.Mutate(content, room))
        return zlib.compress(bytes(atheris.Mutate(plain, len(plain) + 64)))
    return bytes(atheris.Mutate(content, room))


def _split_png(data: bytes) -> list[Chunk]:
    chunks, position = [], 0
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        name, start = data[position + 4 : position + 8], position + 8
        chunks.append((name, data[start : start + length]))
        position = start + length + 4
    return chunks


def _join_png(chunk: Chunk) -> bytes:
    name, content = chunk
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _split_riff(data: bytes) -> list[Chunk]:
    chunks, position = [], 0
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        start = position + 8
        chunks.append((data[position : position + 4], data[start : start + length]))
        position = start + length + length % 2
    return chunks


def _join_riff(chunk: Chunk) -> bytes:
    name, content = chunk
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    fuzz(decode_any, seeds(), sys.argv[1:], [HOSTILE, REGRESSIONS], mutate)
