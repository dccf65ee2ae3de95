"""A CSV of photos: its columns, its classes and its mistakes."""

import os

import pytest

from tests.unit.datasets.photos import write_table
from topfive.datasets.reading import read_dataset
from topfive.errors import DatasetRefused


def _refusal(path, *args, **options) -> str:
    with pytest.raises(DatasetRefused) as caught:
        read_dataset(path, *args, **options)
    return str(caught.value)


def _ids(dataset) -> list[int]:
    return [one.class_id for one in dataset.photos]


def test_files_are_relative_to_the_table(tmp_path):
    """A table can be named from anywhere; its photos are found beside it."""
    dataset = read_dataset(write_table(tmp_path, "file,class\n1.png,tulip\n0.png,rose\n"))
    assert dataset.classes == ("rose", "tulip")
    assert [one.path.name for one in dataset.photos] == ["1.png", "0.png"]
    assert _ids(dataset) == [1, 0]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_columns_are_parted_as_spreadsheets_do(tmp_path, mark):
    """Commas, semicolons and tabs; a byte order mark, capitals and other columns do no harm."""
    lines = ["\ufeffPhoto,File,Class", "x,0.png,rose", "y,1.png,tulip", ""]
    dataset = read_dataset(write_table(tmp_path, "\r\n".join(lines).replace(",", mark)))
    assert dataset.classes == ("rose", "tulip")


def test_a_quoted_label_can_hold_commas_and_emoji(tmp_path):
    """Quotes are those of CSV."""
    table = write_table(tmp_path, 'file,class\n0.png,"roses, ""red"""\n1.png,🌷\n')
    assert set(read_dataset(table).classes) == {'roses, "red"', "🌷"}


def test_numbered_classes_keep_their_order(tmp_path):
    """Where every line has a class_id, the classes are in its order, without gaps."""
    text = "file,class_id,class_name\n0.png,30,apple\n1.png,10,zebra\n2.png,10,zebra\n"
    dataset = read_dataset(write_table(tmp_path, text))
    assert dataset.classes == ("zebra", "apple")
    assert _ids(dataset) == [1, 0, 0]


def test_classes_that_only_have_numbers_are_called_by_them(tmp_path):
    """A class without a name is called by its number, and 9 comes before 10."""
    dataset = read_dataset(write_table(tmp_path, "file,class_id\n0.png,10\n1.png,9\n"))
    assert dataset.classes == ("9", "10")


def test_names_and_numbers_that_contradict_are_refused(tmp_path):
    """One number with two names, or one name with two numbers, is a mistake in the table."""
    text = "file,class_id,class_name\n0.png,1,rose\n1.png,1,tulip\n2.png,2,lily\n3.png,3,lily\n"
    message = _refusal(write_table(tmp_path, text))
    assert "class_id 1 is called 'rose', 'tulip'" in message
    assert "'lily' has more than one class_id" in message


def test_for_a_model_the_class_id_counts(tmp_path):
    """Lists of ImageNet's names differ: the number is the model's, other names are told."""
    text = "file,class_id,class_name\n0.png,1,water ouzel\n1.png,0,rose\n"
    dataset = read_dataset(write_table(tmp_path, text), ("rose", "dipper"))
    assert _ids(dataset) == [1, 0]
    assert dataset.notes == (
        "Of classes with other names class_id counts: 1 is 'water ouzel', in the model 'dipper'.",
    )


def test_numbers_of_another_list_of_classes_are_noticed(tmp_path):
    """A name that the model knows by another number means that the numbers are not its own."""
    text = "file,class_id,class_name\n0.png,0,tulip\n1.png,7,lily\n"
    message = _refusal(write_table(tmp_path, text), ("rose", "tulip"))
    assert "line 2, 0.png: 'tulip' is class 1 of the model, and not class_id 0" in message
    assert "line 3, 1.png: there is no class_id 7: the model has 0 to 1" in message


@pytest.mark.parametrize("column", ["part", "split"])
def test_a_column_says_what_photos_are_for(tmp_path, column):
    """Words of others for the parts are understood; an empty one leaves the photo to be drawn."""
    text = f"file,class,{column}\n0.png,a,train\n1.png,b,Test\n2.png,b,val\n3.png,b,\n"
    dataset = read_dataset(write_table(tmp_path, text))
    assert [one.part for one in dataset.photos] == ["train", "held_out", "validation", None]


def test_every_bad_line_is_named_at_once(tmp_path):
    """No file, no class, a wrong number or part, a photo that is not there: all in one message."""
    text = (
        "file,class,class_id,part\n,rose,,\n0.png,,,\n1.png,rose,-1,\n2.png,rose,,later\n"
        "nowhere.png,rose,,\n3.png,tulip,,\n"
    )
    message = _refusal(write_table(tmp_path, text))
    for said in (
        "line 2: it names no file.",
        "line 3: 0.png has no class.",
        "line 4: the class_id '-1' is not a whole number",
        "line 5: the part 'later' is not train, validation or held_out.",
        "line 6, nowhere.png: it cannot be read: there is no such file.",
    ):
        assert said in message
    assert "for 5 reasons" in message


def test_a_file_that_is_listed_in_two_classes_is_refused(tmp_path):
    """A line too many is the same mistake as a copy in another folder."""
    table = write_table(tmp_path, "file,class\n0.png,rose\n1.png,tulip\n0.png,tulip\n")
    assert "it is in class 'rose' and in class 'tulip'" in _refusal(table)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "It needs the columns file, and class"),
        (b"name,class\n", "It needs the columns file, and class"),
        (b"file,colour\n", "It needs the columns file, and class"),
        (b"file,class\n\xff,rose\n", "it is not UTF-8 text"),
        (b'file,class\n"0.png,rose\n', "line 2 is no CSV"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path, content, said):
    """What cannot be a list of photos says what one looks like."""
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    assert said in _refusal(table)


def test_a_pipe_is_no_table(tmp_path):
    """Nobody may ever write to it: it is refused, and not waited for."""
    os.mkfifo(tmp_path / "labels.csv")
    assert "it is not a regular file" in _refusal(tmp_path / "labels.csv")


def test_ten_thousand_classes_are_read(tmp_path):
    """As many classes as lines: nothing about them is done twice for each other."""
    lines = "".join(f"0.png,class {number}\n" for number in range(10_000))
    message = _refusal(write_table(tmp_path, "file,class\n" + lines, photos=1))
    assert "for 9999 reasons" in message
