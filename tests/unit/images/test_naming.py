"""A file that is not accepted is called by its name, with what to do."""

import pytest

from tests import pictures
from tests.hostile.avif_parts import box, file_type
from topfive.errors import UnsupportedFormat
from topfive.images.limits import ImageLimits
from topfive.images.naming import is_avif, is_heic, name_format
from topfive.images.sniff import sniff

NAMES = {
    "JPEG XL": [b"\xff\x0a\xfa\x7f", b"\x00\x00\x00\x0cJXL \r\n\x87\n"],
    "JPEG 2000": [b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51\x00"],
    "HEIC": [
        file_type(b"heic", b"mif1", b"heic"),
        file_type(b"mif1", b"mif1", b"heic"),
        file_type(b"hevc", b"msf1", b"hevc"),
    ],
    "HEIF": [file_type(b"mif1", b"mif1", b"miaf")],
    "SVG": [b"<svg xmlns='...'>", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a -->\n<svg/>"],
    "PDF": [b"%PDF-1.7\n"],
    "PSD": [b"8BPS\x00\x01"],
    "ICO": [pictures.encode(pictures.draw(16, 16), "ICO")],
    "raw file": [
        b"II*\x00\x10\x00\x00\x00CR\x02\x00",
        file_type(b"crx ", b"crx ", b"isom"),
        b"IIRO\x08\x00",
        b"IIU\x00\x18\x00",
        b"FUJIFILMCCD-RAW 0201",
    ],
    "video": [
        file_type(b"isom", b"mp42"),
        file_type(b"qt  ", b"qt  "),
        b"\x1aE\xdf\xa3\x01",
        b"RIFF\x00\x00\x00\x00AVI LIST",
    ],
    "ZIP": [b"PK\x03\x04\x14\x00"],
    "gzip": [b"\x1f\x8b\x08\x00"],
    "HTML": [b"<!DOCTYPE html>", b"\n  <html><body>"],
    "JSON": [b'{"a": 1}', b"[1, 2, 3]"],
    "base64": [b"/9j/4AAQSkZJRg==", b"data:image/png;base64,iVBORw0KGgo="],
    "This is text.": [b"photo.jpg", "ein schönes Bild".encode(), b"x" * 511 + "é".encode()],
    "BigTIFF": [b"MM\x00+\x00\x08\x00\x00"],
    "PostScript": [b"%!PS-Adobe-3.0 EPSF-3.0\n"],
}


@pytest.mark.parametrize(
    ("name", "data"), [(name, data) for name, all_data in NAMES.items() for data in all_data]
)
def test_what_is_refused_is_named(name, data, monkeypatch):
    """The message says what the file is, and never quotes it."""
    monkeypatch.setattr("topfive.images.sniff.FORMATS", ("JPEG", "AVIF"))
    with pytest.raises(UnsupportedFormat) as refusal:
        sniff(data, ImageLimits())
    detail = refusal.value.detail
    assert detail.startswith("The format of the file is not supported. This is ")
    assert name in detail
    assert "Send one of: JPEG, AVIF." in detail
    assert len(detail) < 300


@pytest.mark.parametrize(
    "data", [b"\x00\x01\x02\x03", b"RIFF\x00\x00\x00\x00WAVE", b" " + pictures.PNG_MAGIC, b"ab"]
)
def test_what_nothing_tells_is_not_named(data):
    """Without a clear sign the message only lists what is accepted."""
    assert name_format(data) == ("", "")
    with pytest.raises(
        UnsupportedFormat, match=r"^The format of the file is not supported\. Send one of"
    ):
        sniff(data, ImageLimits())


def test_heic_comes_with_advice_for_phones(monkeypatch):
    """Who sends one has an iPhone, and can change what it takes."""
    monkeypatch.setattr("topfive.images.sniff.FORMATS", ("JPEG",))
    with pytest.raises(UnsupportedFormat, match="Settings > Camera > Formats > Most Compatible"):
        sniff(file_type(b"heic", b"mif1", b"heic"), ImageLimits())


def test_nothing_of_a_text_is_told_again():
    """What a caller sent is in no message."""
    with pytest.raises(UnsupportedFormat) as refusal:
        sniff(b"SECRET words of a letter", ImageLimits())
    assert "SECRET" not in refusal.value.detail


def test_avif_is_named_where_pillow_lacks_it(monkeypatch):
    """A build of Pillow without AVIF says that this is AVIF."""
    monkeypatch.setattr("topfive.images.sniff.FORMATS", ("JPEG", "PNG"))
    with pytest.raises(UnsupportedFormat, match=r"This is AVIF\. Send one of: JPEG, PNG\."):
        sniff(pictures.avif(), ImageLimits())


def test_brands_tell_avif_from_heic():
    """A general first brand leaves it to the others; AVIF wins where both are named."""
    assert is_avif(file_type(b"avif"))
    assert is_avif(file_type(b"avis", b"msf1"))
    assert is_avif(file_type(b"mif1", b"avif", b"heic"))
    assert not is_avif(file_type(b"isom", b"avif"))
    assert not is_avif(box(b"free") + file_type())
    assert is_heic(file_type(b"mif1", b"mif1", b"heic"))
    assert not is_heic(file_type(b"mif1", b"avif", b"heic"))
