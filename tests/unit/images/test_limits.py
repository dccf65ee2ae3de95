"""The limits of one picture."""

import pytest

from topfive.errors import FileTooLarge, ImageTooLarge
from topfive.images.limits import ImageLimits, decoding_bytes
from topfive.images.sniff import FORMATS, SniffedPicture


def test_defaults_are_the_promised_ones():
    """Ten MiB and 25 megapixels, unless an operator says otherwise."""
    assert ImageLimits() == ImageLimits(max_bytes=10_485_760, max_pixels=25_000_000)


def test_exactly_the_limit_passes():
    """A limit is the largest value that passes."""
    limits = ImageLimits(max_bytes=10, max_pixels=20)
    limits.check_bytes(10)
    limits.check_pixels(5, 4)


def test_one_more_is_refused_with_the_limit():
    """The message says what the limit is."""
    limits = ImageLimits(max_bytes=10, max_pixels=20)
    with pytest.raises(FileTooLarge, match="larger than 10 bytes"):
        limits.check_bytes(11)
    with pytest.raises(ImageTooLarge, match="3 x 7 pixels; at most 20"):
        limits.check_pixels(3, 7)


def test_a_side_has_a_limit_of_its_own():
    """A row costs more than its pixels where it has one: a picture is not all rows."""
    ImageLimits().check_pixels(65_535, 1)
    for size in ((65_536, 1), (1, 65_536)):
        with pytest.raises(ImageTooLarge, match="at most 65535 on a side"):
            ImageLimits().check_pixels(*size)


@pytest.mark.parametrize("image_format", FORMATS)
def test_decoding_is_never_thought_to_be_cheaper_than_its_result(image_format):
    """The estimate covers at least three copies of the RGB picture, and grows with it."""
    assert decoding_bytes(image_format, 1000) >= 3 * 3 * 1000
    assert decoding_bytes(image_format, 2000) == 2 * decoding_bytes(image_format, 1000)


def test_an_unknown_size_counts_as_the_largest():
    """A picture whose header does not tell its size is reserved the most it may be."""
    unknown, known = SniffedPicture(b"", "TIFF", None), SniffedPicture(b"", "TIFF", (10, 20))
    assert unknown.decoding_bytes(5000) == decoding_bytes("TIFF", 5000)
    assert known.decoding_bytes(5000) == decoding_bytes("TIFF", 200)
