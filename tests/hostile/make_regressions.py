"""Writes regressions/NNN.bin and NNN.toml: one small file for each kind of trap.

Run it with `python -m tests.hostile.make_regressions`. Numbers are never used twice: a new case
is added at the end. A file that is there already is left alone, so that other versions of Pillow
or zlib do not change it.
"""

import struct
import zlib
from pathlib import Path

from tests import pictures
from tests.hostile.avif_parts import (
    AV1,
    GRID,
    Item,
    alpha_avif,
    avif_of,
    black_avif,
    box,
    coded,
    empty_items_avif,
    extents,
    file_type,
    frames,
    grid_item,
    nested,
    picture_item,
    places_avif,
    references,
    sample_tables,
    sequence_header,
    shared_data_avif,
    track,
)
from tests.hostile.trap_parts import (
    DEFLATE,
    FAX,
    GIF_CONTROL,
    JPEG_IN_TIFF,
    LZW,
    PACKBITS,
    bmp_of,
    chunk,
    exif,
    exif_segment,
    gif_frame,
    gif_of,
    grey_tiff,
    jpeg_of_scans,
    jpeg_with,
    jpeg_without,
    pixels,
    png_of,
    png_with,
    riff,
    segment,
    tiff_of,
    webp_canvas,
    webp_frame,
)
from topfive.errors import FAILURES

FOLDER = Path(__file__).parent / "regressions"
NOT_READ, DAMAGED, TOO_LARGE = "unsupported_format", "invalid_image", "image_too_large"
# What is posted, the code it is refused with (none where it is classified), and the bytes.
Case = tuple[str, str, bytes]

# These are tables: one case a line, or two.
# fmt: off
BEGINNINGS: list[Case] = [
    ("A file of zero bytes.", "empty_file", b""),
    ("A file of one byte.", NOT_READ, b"\xff"),
    ("The first three bytes of a JPEG alone.", DAMAGED, b"\xff\xd8\xff"),
    ("The magic bytes of a PNG alone.", DAMAGED, pictures.PNG_MAGIC),
    ("The magic bytes of a GIF87a alone.", DAMAGED, b"GIF87a"),
    ("The magic bytes of a GIF89a alone.", DAMAGED, b"GIF89a"),
    ("The magic bytes of a BMP alone.", DAMAGED, b"BM"),
    ("The magic bytes of a WebP alone.", DAMAGED, b"RIFF\x04\x00\x00\x00WEBP"),
    ("The magic bytes of a little-endian TIFF alone.", DAMAGED, b"II*\x00"),
    ("The magic bytes of a big-endian TIFF alone.", DAMAGED, b"MM\x00*"),
]

OTHER_FORMATS: list[Case] = [
    ("An SVG with a script in it.", NOT_READ,
     b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    ("A PDF.", NOT_READ, b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n"),
    ("An EPS program, which a careless decoder runs.", NOT_READ,
     b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n"),
    ("An ICO.", NOT_READ, pictures.encode(pictures.draw(16, 16), "ICO")),
    ("A PSD.", NOT_READ, b"8BPS\x00\x01" + bytes(6) + struct.pack(">HIIHH", 3, 9, 9, 8, 3)),
    ("A PPM, posted as photo.jpg like all of these.", NOT_READ,
     pictures.encode(pictures.draw(8, 8), "PPM")),
    ("A TGA, which has no magic bytes.", NOT_READ, pictures.encode(pictures.draw(8, 8), "TGA")),
    ("A JPEG 2000.", NOT_READ, b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 "),
    ("An AVIF header.", DAMAGED, b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf"),
    ("A BigTIFF without entries.", DAMAGED, b"II+\x00\x08\x00\x00\x00\x10" + bytes(7)),
    ("A RIFF file that is a sound.", NOT_READ, b"RIFF\x24\x00\x00\x00WAVEfmt \x10" + bytes(27)),
    ("A ZIP file.", NOT_READ, b"PK\x03\x04\x14" + bytes(25)),
    ("A PNG behind one blank.", NOT_READ, b" " + pictures.png(8, 8)),
]

JPEG: list[Case] = [
    ("A JPEG cut off in the middle of its data.", DAMAGED,
     pictures.jpeg()[: len(pictures.jpeg()) // 2]),
    ("A JPEG cut off in its header.", DAMAGED, pictures.jpeg()[:100]),
    ("A JPEG header that declares 65535 x 65535 pixels.", TOO_LARGE,
     pictures.forged_jpeg(65_535, 65_535)),
    ("A JPEG that leaves its height to a later marker.", DAMAGED, pictures.forged_jpeg(640, 0)),
    ("A progressive JPEG of 25 megapixels whose 1,400 scans would keep a core busy for seconds.",
     DAMAGED, jpeg_of_scans(1400)),
    ("A JPEG with 3,000 empty comments.", DAMAGED, jpeg_with(segment(0xFE) * 3000)),
    ("A JPEG whose second frame header declares 4000 x 4000 pixels, more than its first.", DAMAGED,
     pictures.forged_jpeg(8, 8) + pictures.forged_jpeg(4000, 4000)[20:]
     + segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")),
    ("A JPEG whose EXIF orientation is text.", "",
     jpeg_with(exif_segment(exif(274, 2, 4, b"six\x00")))),
    ("A JPEG whose EXIF orientation is 77.", "",
     jpeg_with(exif_segment(exif(274, 3, 1, b"\x4d\x00")))),
    ("A JPEG whose EXIF orientation is a list of 65535 numbers that are not there.", "",
     jpeg_with(exif_segment(exif(274, 3, 65_535, b"\xff\xff\x00\x00")))),
    ("A JPEG whose EXIF directory is followed by itself.", "",
     jpeg_with(exif_segment(exif(274, 3, 1, b"\x06\x00", next_directory=8)))),
    ("A JPEG whose EXIF points to a directory of details in itself.", "",
     jpeg_with(exif_segment(exif(0x8769, 4, 1, b"\x08")))),
    ("A JPEG with an EXIF directory far beyond its end.", "",
     pictures.jpeg_with_late_exif_offset()),
    ("A JPEG of several pictures (MPO).", "", pictures.mpo()),
    ("An MPO whose index is noise.", "",
     jpeg_with(segment(0xE2, b"MPF\x00" + bytes(range(200, 240))))),
    ("A JPEG of four inks with Adobe's marker.", "", pictures.cmyk_jpeg()),
    ("A JPEG of four inks without Adobe's marker.", "",
     pictures.cmyk_jpeg().replace(b"\xff\xee\x00\x0eAdobe", b"\xff\xef\x00\x0eOther")),
    ("A JPEG without its Huffman tables.", "", jpeg_without(0xC4)),
    ("A JPEG without its quantisation tables.", DAMAGED, jpeg_without(0xDB)),
    ("A lossless JPEG, which no browser reads.", DAMAGED,
     pictures.jpeg().replace(b"\xff\xc0", b"\xff\xc3", 1)),
    ("A JPEG of 12 bits a sample.", DAMAGED,
     pictures.jpeg().replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c", 1)),
    ("A JPEG with a Photoshop block that is longer than the file.", "",
     jpeg_with(segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\x00\x00\xff\xff\xff\xff"))),
    ("A JPEG with half a colour profile.", "",
     jpeg_with(segment(0xE2, b"ICC_PROFILE\x00\x02\x02" + bytes(50)))),
    ("A JPEG with a page of HTML behind its end.", "",
     pictures.jpeg() + b"<script>alert(1)</script>"),
]

_PALETTE_OF_TWO = chunk(b"PLTE", b"\xff\x00\x00\x00\xff\x00")
_BOMB = zlib.compress(bytes(50_000_000), 9)
PNG: list[Case] = [
    ("A PNG header that declares 60000 x 60000 pixels.", TOO_LARGE,
     pictures.forged_png(60_000, 60_000)),
    ("A PNG whose header has a wrong checksum.", DAMAGED,
     pictures.png()[:29] + b"\x00\x00\x00\x00" + pictures.png()[33:]),
    ("A PNG whose last bytes of data are changed, which its decoder overlooks.", "",
     pictures.png()[:-24] + b"\x00\x00\x00\x00" + pictures.png()[-20:]),
    ("A PNG with a text of 50 MB in 50 kB.", DAMAGED,
     png_with(chunk(b"zTXt", b"Comment\x00\x00" + _BOMB))),
    ("A PNG with a colour profile of 50 MB in 50 kB.", DAMAGED,
     png_with(chunk(b"iCCP", b"profile\x00\x00" + _BOMB))),
    ("A PNG with 60 texts of 1 MB each in 1 kB, which is just allowed.", "",
     png_with(chunk(b"zTXt", b"k\x00\x00" + zlib.compress(bytes(1_000_000), 9)) * 60)),
    ("A PNG whose data holds 50 MB for a picture of 8 x 8.", "",
     png_of(8, 8, 8, 2, chunk(b"IDAT", _BOMB))),
    ("A PNG with too little data for its size.", DAMAGED, png_of(100, 100, 8, 2, pixels(500))),
    ("A PNG without data.", DAMAGED, png_of(8, 8, 8, 2)),
    ("A PNG of 20 megapixels of black in 20 kB, which is allowed.", "",
     png_of(5000, 4000, 8, 0, pixels(5001 * 4000))),
    ("A PNG with a second header that declares 4000 x 4000 pixels.", DAMAGED,
     png_with(chunk(b"IHDR", struct.pack(">IIBBBBB", 4000, 4000, 8, 2, 0, 0, 0)))),
    ("An animated PNG.", "", pictures.animated_png(16, 16)),
    ("An animated PNG that declares four thousand million frames.", "",
     png_with(chunk(b"acTL", b"\xff\xff\xff\xff\x00\x00\x00\x00"))),
    ("A grey PNG of 16 bits.", "", png_of(8, 8, 16, 0, pixels(17 * 8))),
    ("A PNG of 16 bits with alpha, interlaced.", "",
     png_of(1, 1, 16, 6, pixels(9), interlaced=1)),
    ("A PNG with a palette of two colours and data that asks for the 255th.", "",
     png_of(8, 8, 8, 3, _PALETTE_OF_TWO, chunk(b"tRNS", b"\x00\x80"),
            chunk(b"IDAT", zlib.compress((b"\x00" + b"\xff" * 8) * 8)))),
    ("A PNG with transparency for 256 colours and a palette of two.", "",
     png_of(8, 8, 8, 3, _PALETTE_OF_TWO, chunk(b"tRNS", bytes(256)), pixels(72))),
    ("A palette PNG without its palette.", DAMAGED, png_of(8, 8, 8, 3, pixels(72))),
    ("A PNG of a colour type that does not exist.", DAMAGED, png_of(8, 8, 8, 5, pixels(72))),
    ("A PNG of 3 bits.", DAMAGED, png_of(8, 8, 3, 0, pixels(72))),
    ("A PNG of no width.", DAMAGED, pictures.forged_png(0, 9)),
    ("A PNG with a chunk of 4 GB.", DAMAGED, png_with(b"\xff\xff\xff\xffabCd")),
    ("A PNG that Apple's tools made, with a chunk before its header.", DAMAGED,
     pictures.PNG_MAGIC + chunk(b"CgBI", b"\x50\x00\x20\x06") + pictures.png()[8:]),
    ("A PNG whose EXIF directory is followed by itself.", "",
     png_with(chunk(b"eXIf", exif(274, 3, 1, b"\x03", next_directory=8)))),
    ("A PNG whose EXIF in text is not in hexadecimal digits.", "",
     png_with(chunk(b"tEXt", b"Raw profile type exif\x00\nexif\n9\nzzzz"))),
]

GIF: list[Case] = [
    ("A GIF with a screen and a frame of no size.", DAMAGED,
     gif_of(gif_frame(0, 0, 0, 0), b";", screen=(0, 0))),
    ("A GIF of 1,000 frames.", "", gif_of(*[GIF_CONTROL + gif_frame()] * 1000, b";")),
    ("A GIF of one small screen, a control block and a frame of 60000 x 60000 pixels.", TOO_LARGE,
     gif_of(GIF_CONTROL, gif_frame(0, 0, 60_000, 60_000), b";")),
    ("A GIF whose frame begins 60000 pixels away from its screen.", TOO_LARGE,
     gif_of(gif_frame(60_000, 60_000), b";")),
    ("A GIF with 10,000 empty extensions and no frame.", DAMAGED, gif_of(b"!\xfe\x00" * 10_000)),
    ("A GIF whose comment never ends.", DAMAGED, gif_of(b"!\xfe" + b"\x01a" * 20_000)),
    ("A GIF that ends before its frame.", DAMAGED, gif_of(b";")),
    ("A GIF whose data has codes of 13 bits.", DAMAGED, gif_of(gif_frame(code_bits=13), b";")),
    ("A GIF cut off in its data.", DAMAGED, pictures.gif()[:1000]),
    ("A GIF that is a page of HTML too.", "",
     gif_of(b"!\xfe\x1e/*<script>alert(1)</script>*/;\x00", gif_frame(), b";<html></html>")),
    ("A GIF of three frames that loops without end.", "", pictures.animated_gif(16, 16)),
]

WEBP: list[Case] = [
    ("A lossless WebP that declares 16383 x 16383 pixels.", TOO_LARGE,
     pictures.forged_webp(b"VP8L", 16_383, 16_383)),
    ("A WebP with a canvas of 16777216 x 16777216 pixels.", TOO_LARGE,
     riff(webp_canvas(1 << 24, 1 << 24))),
    ("A WebP whose canvas is smaller than its picture.", DAMAGED,
     riff(webp_canvas(2, 2), (b"VP8L", pictures.webp(64, 64, lossless=True)[20:]))),
    ("An animated WebP whose frame stands out of its canvas.", DAMAGED,
     riff(webp_canvas(8, 8, 2), (b"ANIM", bytes(6)), webp_frame(4, 4, 8, 8))),
    ("An animated WebP whose frame claims more pixels than it has.", "",
     riff(webp_canvas(999, 999, 2), (b"ANIM", bytes(6)), webp_frame(0, 0, 999, 999))),
    ("An animated WebP without frames.", DAMAGED,
     riff(webp_canvas(8, 8, 2), (b"ANIM", bytes(6)))),
    ("A WebP cut off in its data.", DAMAGED, pictures.webp()[:200]),
    ("A WebP that begins with a colour profile.", DAMAGED, riff((b"ICCP", bytes(99)))),
    ("A WebP that claims a length of 4 GB.", DAMAGED,
     b"RIFF\xff\xff\xff\xff" + pictures.webp()[8:]),
    ("A WebP of alpha alone.", DAMAGED, riff(webp_canvas(8, 8, 16), (b"ALPH", bytes(65)))),
]

BMP: list[Case] = [
    ("A BMP with its rows from top to bottom.", "", pictures.bmp_top_down(16, 16)),
    ("A BMP with the lowest height there is.", TOO_LARGE, pictures.forged_bmp(1, -(1 << 31))),
    ("A BMP of negative width.", DAMAGED, pictures.forged_bmp(-9, 9)),
    ("A BMP whose header claims 4 GB.", DAMAGED,
     bmp_of(8, 8, 24, 0, bytes(192), header_bytes=0xFFFFFFFF)),
    ("A BMP whose data begins beyond its end.", DAMAGED,
     bmp_of(8, 8, 24, 0, bytes(192), offset=0x7FFFFFFF)),
    ("A BMP with a palette of four thousand million colours.", DAMAGED,
     bmp_of(8, 8, 8, 0, bytes(64), colours=0xFFFFFFFF)),
    ("A run-length coded BMP of 25 megapixels in 20 kB.", TOO_LARGE,
     bmp_of(5000, 5000, 8, 1, b"\x01\x05\x00\x00" * 5000)),
    ("A run-length coded BMP that jumps beyond its picture.", "",
     bmp_of(64, 64, 8, 1, b"\x00\x02\xff\xff" * 99 + b"\x00\x01")),
    ("A run-length coded BMP that ends at once.", DAMAGED, bmp_of(64, 64, 8, 1, b"\x00\x01")),
    ("A BMP coded as JPEG.", DAMAGED, bmp_of(96, 64, 24, 4, pictures.jpeg())),
    ("A BMP with the short header of OS/2.", "", pictures.bmp_core()),
    ("A BMP of 7 bits.", DAMAGED, bmp_of(8, 8, 7, 0, bytes(64))),
]

TIFF: list[Case] = [
    ("A TIFF whose directory is followed by itself.", "",
     tiff_of((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
             (273, 4, 1, 8), (278, 4, 1, 8), (279, 4, 1, 64), next_directory=8)),
    ("A TIFF that declares 65535 entries and ends.", DAMAGED, b"II*\x00\x08\x00\x00\x00\xff\xff"),
    ("A TIFF of 5,000 entries, its size last of all.", DAMAGED,
     tiff_of(*[(40_000 + number, 3, 1, 0) for number in range(4998)], (256, 4, 1, 8),
             (257, 4, 1, 8))),
    ("A TIFF whose strip begins beyond its end.", DAMAGED, grey_tiff((273, 4, 1, 0x7FFFFFFF))),
    ("A TIFF whose directory lies beyond its end.", DAMAGED, b"MM\x00*\xff\xff\xff\xff"),
    ("A TIFF that claims four thousand million strips.", "", grey_tiff((279, 4, 0xFFFFFFFF, 8))),
    ("A TIFF that declares 40000 x 40000 pixels.", TOO_LARGE,
     grey_tiff(width=40_000, height=40_000)),
    ("A TIFF that declares its width twice, 8 and 40000.", TOO_LARGE,
     tiff_of((256, 4, 1, 40_000), (256, 4, 1, 8), (257, 4, 1, 40_000), (257, 4, 1, 8))),
    ("A TIFF of 8 x 8 pixels in one tile of 20000 x 20000.", TOO_LARGE,
     grey_tiff((322, 4, 1, 20_000), (323, 4, 1, 20_000), (324, 4, 1, 8), (325, 4, 1, 64),
               coding=DEFLATE)),
    ("A TIFF one pixel wide and two million high, in tiles of 1500000 x 16.", TOO_LARGE,
     grey_tiff((322, 4, 1, 1_500_000), (323, 4, 1, 16), (324, 4, 131_072, 8),
               width=1, height=2_097_152, coding=DEFLATE)),
    ("A TIFF whose tile has a width of 64 bits.", DAMAGED,
     grey_tiff((322, 16, 1, 8), (323, 16, 1, 8), coding=DEFLATE)),
    ("A TIFF of no height.", DAMAGED, grey_tiff(height=0)),
    ("A TIFF whose width is text.", DAMAGED, grey_tiff((256, 2, 4, 0x30303032))),
    ("A TIFF of a coding that does not exist.", DAMAGED, grey_tiff(coding=60_000)),
    ("A TIFF of 65535 samples a pixel.", DAMAGED, grey_tiff((277, 3, 1, 65_535))),
    ("A TIFF whose LZW data is noise.", DAMAGED, grey_tiff(coding=LZW, body=bytes(range(64)))),
    ("A TIFF whose deflated data is noise.", DAMAGED, grey_tiff(coding=DEFLATE)),
    ("A TIFF that holds half a JPEG.", DAMAGED,
     grey_tiff(coding=JPEG_IN_TIFF, body=pictures.grey_jpeg()[:64])),
    ("A TIFF whose orientation is text.", "", grey_tiff((274, 2, 4, 0x00786973))),
    ("A TIFF whose colour map has one number.", "",
     grey_tiff((262, 3, 1, 3), (320, 3, 1, 0))),
    ("A TIFF whose rows a strip are zero.", DAMAGED, grey_tiff((278, 4, 1, 0), coding=LZW)),
]

# What fuzz_pictures found, made small.
FOUND: list[Case] = [
    ("A TIFF of 8 x 8 pixels that declares its width again, as 5.", "",
     tiff_of((256, 4, 1, 8), (256, 4, 1, 5), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1),
             (262, 3, 1, 1), (273, 4, 1, 8), (278, 4, 1, 8), (279, 4, 1, 64))),
]

_PICTURE = picture_item()
_ONE_CELL = references(b"dimg", 1, 2)
AVIF: list[Case] = [
    ("A plain AVIF.", "", pictures.avif()),
    ("An AVIF with alpha.", "", alpha_avif()),
    ("An animated AVIF.", "", pictures.animated_avif()),
    ("An AVIF of 4 megapixels of black in 300 bytes.", "", black_avif(2000, 2000)),
    ("An AVIF cut off in its data.", DAMAGED, pictures.avif()[:-100]),
    ("An AVIF cut off in its boxes.", DAMAGED, pictures.avif()[:120]),
    ("An AVIF that declares 40000 x 40000 pixels.", TOO_LARGE,
     avif_of(picture_item(40_000, 40_000))),
    ("An AVIF that declares 16 x 16 pixels and is coded with 96 x 64.", "",
     avif_of(picture_item(16, 16))),
    ("An AVIF that declares 96 x 64 pixels and is coded with 16000 x 16000.", TOO_LARGE,
     avif_of(picture_item(96, 64, sequence_header(16_000, 16_000) + frames(1)))),
    ("An AVIF coded with 16 x 16 pixels and a second time with 16000 x 16000.", TOO_LARGE,
     avif_of(picture_item(96, 64, sequence_header(16, 16) + frames(1)
                          + sequence_header(16_000, 16_000) + frames(1)))),
    ("An AVIF of one frame that chooses a size of its own.", TOO_LARGE,
     avif_of(picture_item(96, 64, sequence_header(96, 64, is_short=False)
                          + frames(1, own_size=True)))),
    ("An AVIF of 1000 x 1000 pixels and 200 frames before the one that is shown.", TOO_LARGE,
     avif_of(picture_item(1000, 1000, sequence_header(1000, 1000, is_short=False)
                          + frames(200)))),
    ("An AVIF of 8 x 8 pixels and 6,000 frames.", DAMAGED,
     avif_of(picture_item(8, 8, sequence_header(8, 8, is_short=False) + frames(6000)))),
    ("An AVIF without a size.", DAMAGED, avif_of(Item(AV1, coded()[0], (coded()[1],)))),
    ("An AVIF of no height.", DAMAGED, avif_of(picture_item(96, 0))),
    ("An AVIF whose picture is not there.", DAMAGED, avif_of(_PICTURE, primary=7)),
    ("An AVIF whose units of code never end.", DAMAGED,
     avif_of(picture_item(96, 64, b"\x12" + b"\xff" * 99))),
    ("An AVIF that is a grid of two cells.", "",
     avif_of(grid_item(1, 2, 192, 64), _PICTURE, _PICTURE,
             references=references(b"dimg", 1, 2, 3))),
    ("An AVIF grid of 256 x 256 cells that declares 65535 x 65535 pixels.", TOO_LARGE,
     avif_of(grid_item(256, 256, 65_535, 65_535), _PICTURE, references=_ONE_CELL)),
    ("An AVIF grid whose own size is larger than that of its file.", TOO_LARGE,
     avif_of(Item(GRID, grid_item(9, 9, 40_000, 40_000).data, (extents(96, 64),)), _PICTURE,
             references=_ONE_CELL)),
    ("An AVIF grid that is made of itself.", DAMAGED,
     avif_of(grid_item(1, 1, 96, 64), references=references(b"dimg", 1, 1))),
    ("An AVIF grid of 4,000 times the same cell.", DAMAGED,
     avif_of(grid_item(63, 63, 640, 640), _PICTURE,
             references=references(b"dimg", 1, *[2] * 4000))),
    ("An AVIF with 30,000 references to items that are not there.", DAMAGED,
     avif_of(_PICTURE, references=references(b"dimg", 1, *range(2, 30_002)))),
    ("An AVIF of 9,000 empty items.", DAMAGED, empty_items_avif(9000)),
    ("An AVIF whose 500 items have 65535 places without a length each.", DAMAGED,
     places_avif(500, 65_535)),
    ("An AVIF whose 900 items are made of the same data.", DAMAGED, shared_data_avif(900)),
    ("An AVIF with boxes within boxes, 60 deep.", DAMAGED, file_type() + nested(60)),
    ("An AVIF with a box of 64 bits of length.", "",
     avif_of(_PICTURE, before=struct.pack(">I4sQ", 1, b"free", 16))),
    ("An AVIF with a box that ends before it begins.", DAMAGED,
     avif_of(_PICTURE, before=struct.pack(">I4s", 3, b"free"))),
    ("An AVIF animation that claims two million frames of one byte.", DAMAGED,
     file_type(b"avis", b"avis", b"msf1")
     + track(96, 64, sample_tables(1, 2_000_000, 1, 2_000_000))),
    ("An AVIF animation of 9,000 chunks of 9,000 frames.", DAMAGED,
     file_type(b"avis", b"avis", b"msf1") + track(96, 64, sample_tables(9000, 9000, 1, 9000))),
    ("An AVIF animation that declares 30000 x 30000 pixels.", TOO_LARGE,
     file_type(b"avis", b"avis", b"msf1") + track(30_000, 30_000, sample_tables(1, 1, 9, 1))),
    ("An AVIF with a general first brand.", "",
     pictures.avif().replace(b"ftypavif", b"ftypmif1", 1)),
    ("An AVIF whose rotation is turned into a mirror.", "", pictures.rotated_avif(5)),
]

_BIG = pictures.tiff(big_tiff=True)
BIG_TIFF: list[Case] = [
    ("A plain BigTIFF.", "", _BIG),
    ("A BigTIFF of compressed data.", "", pictures.tiff(big_tiff=True, compression="tiff_lzw")),
    ("A BigTIFF whose numbers begin with their high bytes.", NOT_READ,
     b"MM\x00+\x00\x08\x00\x00" + struct.pack(">Q", 16) + bytes(40)),
    ("A BigTIFF that declares 40000 x 40000 pixels.", TOO_LARGE,
     pictures.forged_big_tiff(40_000, 40_000)),
    ("A BigTIFF of 8 x 8 pixels in one tile of 20000 x 20000.", TOO_LARGE,
     pictures.forged_big_tiff(8, 8, (322, 16, 1, 20_000), (323, 16, 1, 20_000))),
    ("A BigTIFF whose directory lies beyond its end.", DAMAGED,
     b"II+\x00\x08\x00\x00\x00" + b"\xff" * 8),
    ("A BigTIFF with more entries than there are numbers.", DAMAGED,
     b"II+\x00\x08\x00\x00\x00" + struct.pack("<Q", 16) + b"\xff" * 8),
    ("A BigTIFF cut off in its data.", DAMAGED, _BIG[: len(_BIG) // 2]),
    ("A BigTIFF that is a classic TIFF.", DAMAGED, _BIG[:2] + b"*" + _BIG[3:]),
]

NAMED: list[Case] = [
    ("A JPEG XL.", NOT_READ, b"\xff\x0a\xfa\x7f\x01\x90\x08\x06\x01\x00"),
    ("A JPEG XL in boxes.", NOT_READ, b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(20)),
    ("A Canon raw file, which begins as a TIFF.", NOT_READ,
     b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(40)),
    ("A video.", NOT_READ, file_type(b"isom", b"isom", b"mp42") + box(b"moov")),
    ("A page of HTML.", NOT_READ, b"<!DOCTYPE html><title>404</title>"),
    ("JSON.", NOT_READ, b'{"image": "/9j/4AAQSkZJRg=="}'),
    ("A JPEG in base64.", NOT_READ, b"/9j/4AAQSkZJRgABAQAAAQABAAD"),
]

_SHARED = [(40_000 + number, 7, 8000, 8) for number in range(400)]
_TILES = 10_000
# What few bytes made large or slow before it was refused.
AMPLIFIED: list[Case] = [
    ("A TIFF one pixel wide with 25 million rows of a fax, each damaged.", DAMAGED,
     grey_tiff((258, 3, 1, 1), width=1, height=25_000_000, coding=FAX, body=bytes(2000))),
    ("A TIFF in 5,000 tiles one pixel wide, each 5,000 damaged rows of a fax.", DAMAGED,
     grey_tiff((258, 3, 1, 1), (322, 3, 1, 1), (323, 3, 1, 5000), width=5000, height=5000,
               coding=FAX, body=bytes(2000))),
    ("A TIFF of 400 entries whose values are the same 8,000 bytes.", DAMAGED,
     grey_tiff(*_SHARED, coding=DEFLATE, body=zlib.compress(bytes(64)).ljust(8000, b"\x00"))),
    ("A BigTIFF of 400 entries whose values are the same 8,000 bytes.", DAMAGED,
     pictures.forged_big_tiff(8, 8, *_SHARED) + bytes(3000)),
    ("A TIFF of 10,000 tiles, all the same 20,000 bytes.", DAMAGED,
     grey_tiff((322, 3, 1, 16), (323, 3, 1, 16), (325, 3, _TILES, 8 + 2 + 12 * 11 + 4),
               width=1600, height=1600, coding=PACKBITS,
               body=struct.pack("<H", 20_000) * _TILES)),
    ("A PNG one pixel wide and 5 million high in 10 kB.", TOO_LARGE,
     png_of(1, 5_000_000, 1, 0, pixels(10_000_000))),
    ("A PNG of 65535 x 1 pixels, which is allowed.", "", png_of(65_535, 1, 8, 0, pixels(65_536))),
]
# fmt: on

CASES = [
    *BEGINNINGS, *OTHER_FORMATS, *JPEG, *PNG, *GIF, *WEBP, *BMP, *TIFF, *FOUND,
    *AVIF, *BIG_TIFF, *NAMED, *AMPLIFIED,
]  # fmt: skip


def describe(what: str, code: str) -> str:
    """Write a case's .toml."""
    status = FAILURES[code].status if code else 200
    return f'what = "{what}"\nstatus = {status}\n' + (f'code = "{code}"\n' if code else "")


def write_regressions(folder: Path) -> None:
    """Write every case's two files; one that is there keeps its bytes."""
    folder.mkdir(exist_ok=True)
    for number, (what, code, data) in enumerate(CASES):
        (folder / f"{number:03}.toml").write_text(describe(what, code))
        if not (folder / f"{number:03}.bin").exists():
            (folder / f"{number:03}.bin").write_bytes(data)


if __name__ == "__main__":
    write_regressions(FOLDER)
