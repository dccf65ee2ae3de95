"""One picture and its fields are read from a body, or it is said what is wrong with it."""

from io import BytesIO

import pytest

from tests.live_server import form_of
from tests.pictures import every_format, jpeg
from topfive.api.upload import PictureRequest, Upload, read_upload
from topfive.errors import InvalidParameter, MissingFile

FILE = 'name="file"; filename="photo.jpg"'


def read(*parts: tuple[str, bytes]) -> Upload:
    """Read a form of these parts."""
    body, content_type = form_of(*parts)
    return read_body(body, content_type)


def read_body(body: bytes, content_type: str) -> Upload:
    """Read a body as a server hands it over."""
    return read_upload(
        PictureRequest(
            {
                "REQUEST_METHOD": "POST",
                "CONTENT_TYPE": content_type,
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": BytesIO(body),
            }
        )
    )


@pytest.mark.parametrize("content_type", ["image/jpeg", "application/octet-stream"])
def test_bytes_alone_are_the_picture(content_type: str) -> None:
    """A raw body has no fields."""
    assert read_body(b"picture", content_type) == Upload(b"picture", ())


@pytest.mark.parametrize("name", ["file", "image"])
def test_a_form_has_a_picture_and_fields(name: str) -> None:
    """Fields are taken before and after the picture, in their order."""
    parts = (
        ('name="top_k"', b"3"),
        (f'name="{name}"; filename="a"', b"x"),
        ('name="a"', "ä".encode()),
    )
    assert read(*parts) == Upload(b"x", (("top_k", "3"), ("a", "ä")))


def test_bytes_that_are_no_text_become_some() -> None:
    """A field in another encoding raises nothing; no name or number that is known is like it."""
    assert read((FILE, b"x"), ('name="model"', b"\xff")).fields == (("model", "\ufffd"),)


@pytest.mark.parametrize(
    "text",
    [b"photo.jpg", b"BMW.bmp", b"GIF89a", b"/tmp/a b.png\r\n", "zèbre.jpg".encode(), b"\xe9"],
)
@pytest.mark.parametrize("name", ["file", "image"])
def test_a_text_in_place_of_a_file_is_told(name: str, text: bytes) -> None:
    """`-F file=photo.jpg` without the @ is told how to send the file itself."""
    with pytest.raises(MissingFile) as found:
        read((f'name="{name}"', text))
    assert found.value.detail == (
        f"The part `{name}` is text, not a file. With curl write -F {name}=@photo.jpg."
    )


@pytest.mark.parametrize("image_format", every_format())
def test_a_picture_without_a_file_name_is_a_picture(image_format: str) -> None:
    """Some clients send bytes as a plain field: those of a picture are taken."""
    picture = every_format()[image_format]
    assert read(('name="file"', picture)).picture == picture


def test_a_named_file_is_never_taken_for_a_text() -> None:
    """What comes as a file is judged by its bytes later, whatever they are."""
    assert read((FILE, b"photo.jpg")).picture == b"photo.jpg"
    assert read((FILE, b"")).picture == b""


@pytest.mark.parametrize("second", ["file", "image"])
def test_two_pictures_are_one_too_many(second: str) -> None:
    """A second picture is not passed over: the answer would be about one of them only."""
    expected = r"2 pictures.*one picture a request, or several to /predict/batch"
    with pytest.raises(InvalidParameter, match=expected):
        read((FILE, jpeg()), (f'name="{second}"; filename="b.jpg"', jpeg()))


def test_a_batch_is_told_where_it_belongs() -> None:
    """Pictures that are called as those of a batch are named with its address."""
    with pytest.raises(MissingFile, match="`files`, which belongs to /predict/batch"):
        read(('name="files"; filename="a.jpg"', jpeg()))


def test_a_picture_of_another_name_is_told() -> None:
    """The name that came is shown beside the one that is wanted, unless it could do harm."""
    with pytest.raises(MissingFile, match="no part called `file`, but a file called `picture`"):
        read(('name="picture"; filename="a.jpg"', jpeg()))
    with pytest.raises(MissingFile, match=r"no part called `file`\. Send"):
        read(('name="<b>"; filename="a.jpg"', jpeg()))


def test_a_large_field_is_refused_unread() -> None:
    """A field is some characters; what is longer may be a second picture."""
    assert read((FILE, b"x"), ('name="model"', b"m" * 1000)).fields[0][1] == "m" * 1000
    with pytest.raises(InvalidParameter, match="`second` has over 1000 bytes"):
        read((FILE, b"x"), ('name="second"; filename="b.jpg"', b"m" * 1001))


@pytest.mark.parametrize("said", ['name=""', "x=y"])
def test_a_part_without_a_name_is_refused(said: str) -> None:
    """What cannot be named cannot be meant."""
    with pytest.raises(InvalidParameter, match="no name"):
        read((FILE, b"x"), (said, b"y"))
