"""What a file is that is not accepted, told from clear signs in its first bytes."""

from topfive.images.isobmff import read_brands

_PHONE = "On an iPhone, choose Settings > Camera > Formats > Most Compatible."
_HEIC = "HEIC, as iPhones take it"
_RAW = "a camera's raw file"
_RAW_ADVICE = "Save it from the camera's program as JPEG."
_VIDEO = "a video"
_VIDEO_ADVICE = "Send one of its frames."
_TEXT_BYTES = 512

# A beginning, what it is the beginning of, and what to do where that is not plain.
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\x0a", "JPEG XL", ""),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL", ""),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000", ""),
    (b"\xff\x4f\xff\x51", "JPEG 2000", ""),
    (b"%PDF-", "a PDF document", "Send its page as a picture."),
    (b"%!PS", "a PostScript program", ""),
    (b"8BPS", "a Photoshop document (PSD)", ""),
    (b"\x00\x00\x01\x00", "an icon (ICO)", ""),
    (b"MM\x00+", "a BigTIFF whose numbers begin with their high bytes", "Save it as TIFF."),
    (b"IIRO", _RAW, _RAW_ADVICE),
    (b"IIU\x00", _RAW, _RAW_ADVICE),
    (b"FUJIFILMCCD-RAW", _RAW, _RAW_ADVICE),
    (b"\x1aE\xdf\xa3", _VIDEO, _VIDEO_ADVICE),
    (b"PK\x03\x04", "a ZIP archive", "Unpack it, and send the pictures in it."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it, and send the picture in it."),
)
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_BASE64 = (b"/9j/", b"iVBORw0KGgo", b"R0lGOD", b"UklGR", b"data:image/")


def name_format(data: bytes) -> tuple[str, str]:
    """Tell what a file seems to be, and what to do about it; both are empty where nothing says.

    Nothing of the file itself is in either.
    """
    for beginning, name, advice in _BEGINNINGS:
        if data.startswith(beginning):
            return name, advice
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return _VIDEO, _VIDEO_ADVICE
    if is_raw_tiff(data):
        return _RAW, _RAW_ADVICE
    return _name_by_brands(data) or _name_text(data[:_TEXT_BYTES]) or ("", "")


def is_raw_tiff(data: bytes) -> bool:
    """Tell whether what begins as a TIFF is Canon's raw format, by its sign."""
    return data[8:11] == b"CR\x02"


def is_avif(data: bytes) -> bool:
    """Tell AVIF by its brands, as Pillow does: the first, or a general one and one behind it."""
    brands = read_brands(data)
    return brands[:1] in ([b"avif"], [b"avis"]) or (
        brands[:1] in ([b"mif1"], [b"msf1"]) and bool({b"avif", b"avis"} & {*brands})
    )


def is_heic(data: bytes) -> bool:
    """Tell HEIC, a HEIF file coded as HEVC, by its brands."""
    return bool(_HEIC_BRANDS & {*read_brands(data)}) and not is_avif(data)


def _name_by_brands(data: bytes) -> tuple[str, str] | None:
    brands = read_brands(data)
    if not brands:
        return None
    if is_avif(data):
        return "AVIF", ""
    if is_heic(data):
        return _HEIC, _PHONE
    if brands[0] == b"crx ":
        return _RAW, _RAW_ADVICE
    if {b"mif1", b"msf1"} & {*brands}:
        return "HEIF", _PHONE
    return _VIDEO, _VIDEO_ADVICE


def _name_text(start: bytes) -> tuple[str, str] | None:
    if start.startswith(_BASE64):
        return "text in base64", "Send the bytes that it stands for."
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a page of HTML", "Send the picture that it shows."
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "an SVG drawing", "Save it as PNG."
    if text.startswith((b"{", b"[")) and _is_text(start):
        return "JSON", "Send the picture itself."
    return ("text", "Send the picture itself.") if text and _is_text(start) else None


def _is_text(start: bytes) -> bool:
    # A character may be cut in two at the end.
    decoded = start.decode("utf-8", "replace").rstrip("\ufffd")
    return len(decoded) > 3 and all(one.isprintable() or one in "\r\n\t" for one in decoded)
