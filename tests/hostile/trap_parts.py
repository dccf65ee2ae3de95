"""The pieces that traps are made of: segments, chunks, directories, headers; returns bytes."""

import struct
import zlib

from PIL import Image

from tests import pictures

DEFLATE, LZW, JPEG_IN_TIFF, FAX, PACKBITS = 8, 5, 7, 2, 32_773
_SHORT, _LONG = 3, 4


def segment(marker: int, content: bytes = b"") -> bytes:
    """Write a JPEG segment with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_with(*segments: bytes) -> bytes:
    """Put segments behind the first marker of a plain JPEG."""
    return pictures.jpeg()[:2] + b"".join(segments) + pictures.jpeg()[2:]


def jpeg_without(marker: int) -> bytes:
    """Make a plain JPEG and cut out all segments of one kind before its first scan."""
    whole, kept, position = pictures.jpeg(), b"\xff\xd8", 2
    while whole[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(whole[position + 2 : position + 4])
        kept += b"" if whole[position + 1] == marker else whole[position:end]
        position = end
    return kept + whole[position:]


def jpeg_of_scans(scans: int, side: int = 5000) -> bytes:
    """Make a small progressive JPEG whose every scan passes over a huge picture."""
    runs = -(-(((side + 7) // 8) ** 2) // 32_767)
    bits = ("0" + "1" * 14) * runs
    body = int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8))
    scan = segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + body.replace(b"\xff", b"\xff\x00")
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\x00" + b"\x01" * 64),
            segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\x01\x11\x00"),
            segment(0xC4, b"\x00\x01" + bytes(15) + b"\x00"),
            segment(0xC4, b"\x10\x01" + bytes(15) + b"\xe0"),
            segment(0xDA, b"\x01\x01\x00\x00\x00\x00") + bytes(8),
            scan * scans,
            b"\xff\xd9",
        ]
    )


def exif(tag: int, kind: int, count: int, value: bytes, *, next_directory: int = 0) -> bytes:
    """Write an EXIF block with one entry, as a TIFF of little-endian order."""
    entry = struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\x00")
    return b"II*\x00\x08\x00\x00\x00\x01\x00" + entry + struct.pack("<I", next_directory)


def exif_segment(block: bytes) -> bytes:
    """Write a JPEG's EXIF segment."""
    return segment(0xE1, b"Exif\x00\x00" + block)


def chunk(name: bytes, content: bytes = b"") -> bytes:
    """Write a PNG chunk with its checksum."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png_of(
    width: int, height: int, depth: int, colour: int, *chunks: bytes, interlaced: int = 0
) -> bytes:
    """Make a PNG from its header's fields and the chunks that follow."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return pictures.PNG_MAGIC + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND")


def png_with(*chunks: bytes) -> bytes:
    """Put chunks behind the header of a plain PNG."""
    return pictures.png()[:33] + b"".join(chunks) + pictures.png()[33:]


def pixels(count: int) -> bytes:
    """Write a PNG's data chunk that holds so many zero bytes."""
    return chunk(b"IDAT", zlib.compress(bytes(count), 9))


def gif_of(*blocks: bytes, screen: tuple[int, int] = (8, 8)) -> bytes:
    """Make a GIF with a table of two colours from the blocks that follow its screen."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    return head + b"".join(blocks)


def gif_frame(
    left: int = 0, top: int = 0, width: int = 8, height: int = 8, code_bits: int = 8
) -> bytes:
    """Write a GIF frame; its data is that of 8 x 8 pixels of one colour."""
    # The encoder writes the data's sub-blocks with their lengths.
    data = Image.new("L", (8, 8)).tobytes("gif", "L")
    place = b"," + struct.pack("<HHHHB", left, top, width, height, 0)
    return place + bytes([code_bits]) + data + b"\x00"


GIF_CONTROL = b"!\xf9\x04\x00\x00\x00\x00\x00"


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """Make a WebP of chunks, with all lengths right."""
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """Make the chunk that declares a WebP's canvas."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def webp_frame(left: int, top: int, width: int, height: int) -> tuple[bytes, bytes]:
    """Make a chunk with one animated frame of 8 x 8 pixels that claims a place and a size."""
    numbers = (left // 2, top // 2, width - 1, height - 1, 100)
    return b"ANMF", b"".join(one.to_bytes(3, "little") for one in numbers) + b"\x00" + (
        pictures.webp(8, 8, lossless=True)[12:]
    )


def bmp_of(
    width: int, height: int, bits: int, coding: int, body: bytes, *, header_bytes: int = 40,
    offset: int | None = None, colours: int = 0,
) -> bytes:  # fmt: skip
    """Make a BMP from its header's fields, with a grey palette where its bits ask for one."""
    palette = bytes(4 << bits) if bits <= 8 else b""
    at = 54 + len(palette) if offset is None else offset
    info = struct.pack(
        "<IiiHHIIiiII", header_bytes, width, height, 1, bits, coding, len(body), 0, 0, colours, 0
    )
    whole = info + palette + body
    return struct.pack("<2sIHHI", b"BM", 14 + len(whole), 0, 0, at) + whole


Entry = tuple[int, int, int, int]


def tiff_of(*entries: Entry, body: bytes = b"", next_directory: int = 0) -> bytes:
    """Make a TIFF from entries of tag, kind, count and value; `body` follows its directory."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    end = struct.pack("<I", next_directory) + body
    return b"II*\x00" + struct.pack("<IH", 8, len(entries)) + directory + end


def grey_tiff(
    *more: Entry, width: int = 8, height: int = 8, coding: int = 1, body: bytes | None = None
) -> bytes:
    """Make a TIFF of grey bytes; `more` entries come last and take the place of those before."""
    entries = {
        256: (_LONG, 1, width), 257: (_LONG, 1, height), 258: (_SHORT, 1, 8),
        259: (_SHORT, 1, coding), 262: (_SHORT, 1, 1), 273: (_LONG, 1, 0), 277: (_SHORT, 1, 1),
        278: (_LONG, 1, height), 279: (_LONG, 1, 64),
    }  # fmt: skip
    entries |= {tag: (kind, count, value) for tag, kind, count, value in more}
    if entries[273] == (_LONG, 1, 0):
        entries[273] = (_LONG, 1, 8 + 2 + 12 * len(entries) + 4)
    listed = [(tag, *entries[tag]) for tag in sorted(entries)]
    return tiff_of(*listed, body=bytes(64) if body is None else body)
