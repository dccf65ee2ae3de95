"""A folder per class: what is taken from it, and what is refused."""

import os

import pytest

from tests.pictures import jpeg
from tests.unit.datasets.photos import write_folder, write_photo
from topfive.datasets.reading import read_dataset
from topfive.errors import DatasetRefused, Mistake


def _refusal(path, *args, **options) -> str:
    with pytest.raises(DatasetRefused) as caught:
        read_dataset(path, *args, **options)
    return str(caught.value)


def test_a_folder_per_class_is_read_in_the_order_of_names(tmp_path):
    """Classes are the folders' names, sorted; every photo has its class and a digest."""
    dataset = read_dataset(write_folder(tmp_path, {"tulip": 2, "rose": 3}))
    assert dataset.classes == ("rose", "tulip")
    assert [one.class_id for one in dataset.photos] == [0, 0, 0, 1, 1]
    assert len({one.sha256 for one in dataset.photos}) == 5
    assert dataset.photos[0].path == tmp_path / "rose" / "0.png"
    assert dataset.notes == ()


def test_the_digest_is_of_what_is_in_the_photos_and_not_of_where_they_lie(tmp_path):
    """The same photos of the same classes under other names are the same data."""
    first = read_dataset(write_folder(tmp_path / "a", {"rose": 2, "tulip": 2}))
    second_root = write_folder(tmp_path / "b", {"rose": 2, "tulip": 2})
    (second_root / "rose" / "0.png").rename(second_root / "rose" / "renamed.png")
    assert read_dataset(second_root).sha256 == first.sha256
    (second_root / "rose" / "renamed.png").rename(second_root / "tulip" / "renamed.png")
    assert read_dataset(second_root).sha256 != first.sha256


def test_folders_called_like_parts_say_what_their_photos_are_for(tmp_path):
    """Above folders per class there may be train, val and test; a class can lack in one of them."""
    write_folder(tmp_path / "train", {"rose": 2, "tulip": 2})
    write_folder(tmp_path / "val", {"rose": 1}, first_seed=10)
    write_folder(tmp_path / "Test", {"rose": 1, "tulip": 1}, first_seed=20)
    (tmp_path / "val" / "tulip").mkdir()
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("rose", "tulip")
    parts = [(one.class_id, one.part) for one in dataset.photos]
    assert parts.count((0, "train")) == 2
    assert parts.count((0, "validation")) == 1
    assert parts.count((1, "held_out")) == 1


def test_labels_can_have_commas_emoji_quotes_and_accents(tmp_path):
    """A class is called as its folder is, with accents in the form that most systems write."""
    names = {"roses, red": 1, "🌷": 1, 'a "quoted" one': 1, "cafe\N{COMBINING ACUTE ACCENT}": 1}
    dataset = read_dataset(write_folder(tmp_path, names))
    assert set(dataset.classes) == {
        "roses, red",
        "🌷",
        'a "quoted" one',
        "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    }


def test_a_class_name_that_no_labels_file_can_hold_is_refused(tmp_path):
    """A line break in a name would be two classes, and bytes that are not UTF-8 none."""
    write_folder(tmp_path, {"ro\nse": 1, "tulip": 1, os.fsdecode(b"\xff"): 1})
    message = _refusal(tmp_path)
    assert "'ro\\nse'" in message
    assert "'\\udcff'" in message
    assert "2 reasons" in message


def test_files_that_are_no_pictures_are_left_out_and_told(tmp_path):
    """Notes and lists do no harm; hidden files are not even worth a word."""
    write_folder(tmp_path, {"rose": 1, "tulip": 1})
    (tmp_path / "rose" / "notes.txt").write_text("found in May")
    (tmp_path / "rose" / ".DS_Store").write_text("x")
    (tmp_path / "LICENSE").write_text("x")
    dataset = read_dataset(tmp_path)
    assert len(dataset.photos) == 2
    (note,) = dataset.notes
    assert note.startswith("2 files are not named like a picture and left out: ")
    assert "notes.txt" in note
    assert ".DS_Store" not in note


def test_every_bad_photo_is_named_at_once(tmp_path):
    """Cut off, empty, no picture, no longer there, a pipe: each is named, with what is wrong."""
    write_folder(tmp_path, {"rose": 1, "tulip": 1})
    whole = jpeg(64, 64)
    (tmp_path / "rose" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "rose" / "empty.png").touch()
    (tmp_path / "rose" / "text.jpg").write_text("not a picture")
    (tmp_path / "tulip" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "tulip" / "pipe.jpg")
    message = _refusal(tmp_path)
    assert "for 5 reasons" in message
    for name in ("cut.jpg", "empty.png", "text.jpg", "gone.jpg", "pipe.jpg"):
        assert name in message
    assert "there is no such file" in message
    assert "not a regular file" in message
    assert "damaged or cut off" in message


def test_a_photo_that_the_service_would_refuse_is_refused_here_too(tmp_path):
    """What is learned from is what can be sent: the limits are those of the service."""
    from topfive.images.limits import ImageLimits

    write_folder(tmp_path, {"rose": 1, "tulip": 1})
    write_photo(tmp_path / "rose" / "large.png", 5)
    message = _refusal(tmp_path, limits=ImageLimits(max_pixels=63))
    assert "8 x 8 pixels; at most 63" in message


def test_no_more_than_ten_problems_are_listed(tmp_path):
    """Of a folder full of damage the first ten are named, and the others counted."""
    write_folder(tmp_path, {"rose": 1, "tulip": 1})
    for number in range(14):
        (tmp_path / "rose" / f"bad-{number:02}.jpg").write_bytes(b"\xff\xd8\xff")
    message = _refusal(tmp_path)
    assert message.count("bad-") == 10
    assert message.endswith("- and 4 more.")


def test_the_same_picture_in_two_classes_is_refused_with_both_names(tmp_path):
    """A picture cannot be learned as two things: both files and classes are named."""
    write_folder(tmp_path, {"rose": 1, "tulip": 1})
    write_photo(tmp_path / "rose" / "twin.png", 7)
    write_photo(tmp_path / "tulip" / "twin.png", 7)
    message = _refusal(tmp_path)
    assert f"{tmp_path}/rose/twin.png: it is in class 'rose' and in class 'tulip'" in message
    assert f"{tmp_path}/tulip/twin.png is the same picture" in message


def test_the_same_picture_in_two_parts_is_refused(tmp_path):
    """Who is measured on what was learned from is measured wrong."""
    write_folder(tmp_path / "train", {"rose": 1, "tulip": 1})
    write_folder(tmp_path / "test", {"rose": 1, "tulip": 1})
    message = _refusal(tmp_path)
    assert "for 2 reasons" in message
    assert "it is in held_out and in train" in message


def test_a_picture_that_is_there_twice_in_its_class_counts_once_and_is_told(tmp_path):
    """A copy in the same class is no contradiction, but no second photo either."""
    write_folder(tmp_path, {"rose": 2, "tulip": 1})
    write_photo(tmp_path / "rose" / "copy.png", 0)
    dataset = read_dataset(tmp_path)
    assert len(dataset.photos) == 3
    (note,) = dataset.notes
    assert note.startswith("1 photo repeats another and does not count: ")
    assert note.endswith(f" {tmp_path}/rose/copy.png is {tmp_path}/rose/0.png.")


def test_a_class_without_a_photo_is_refused(tmp_path):
    """An empty folder is named: it is a mistake more often than a wish."""
    write_folder(tmp_path, {"rose": 1, "tulip": 1})
    (tmp_path / "lily").mkdir()
    assert "class 'lily' has no photo" in _refusal(tmp_path)


def test_folders_of_folders_of_folders_are_refused_by_name(tmp_path):
    """A further level says nothing that is known: it is named, and what to do."""
    write_folder(tmp_path / "rose", {"2025": 1, "2026": 1})
    write_folder(tmp_path, {"tulip": 1}, first_seed=5)
    message = _refusal(tmp_path)
    assert f"{tmp_path}/rose/2025 is a folder in a class's folder" in message
    assert f"Put its photos into {tmp_path}/rose itself" in message


def test_photos_beside_the_classes_are_refused(tmp_path):
    """A photo without a class may be a slip, and is not passed over."""
    write_folder(tmp_path, {"rose": 1, "tulip": 1})
    write_photo(tmp_path / "loose.png", 9)
    assert f"{tmp_path}/loose.png lie beside the classes' folders" in _refusal(tmp_path)


def test_one_class_is_not_enough_to_learn(tmp_path):
    """With one class there is nothing to tell apart; a model's own may be looked up alone."""
    write_folder(tmp_path, {"rose": 2})
    assert "of the class 'rose'. Two classes are needed." in _refusal(tmp_path)
    dataset = read_dataset(tmp_path, ("lily", "rose"))
    assert [one.class_id for one in dataset.photos] == [1, 1]


def test_folders_without_photos_or_classes_say_what_is_expected(tmp_path):
    """No such folder, an empty one, a table beside its photos, a file of another kind: all told."""
    assert "there is no such folder or file" in _refusal(tmp_path / "nowhere")
    assert "Make one for each, called by the class" in _refusal(tmp_path)
    (tmp_path / "labels.csv").write_text("file,class\n")
    assert f"If {tmp_path}/labels.csv lists its photos, name that." in _refusal(tmp_path)
    assert "it lists no photo" in _refusal(tmp_path / "labels.csv")
    other = tmp_path / "photos.zip"
    other.touch()
    assert "neither a folder nor a CSV file" in _refusal(other)
    assert issubclass(DatasetRefused, Mistake)


def test_what_a_model_calls_its_classes_is_looked_up(tmp_path):
    """Photos for a model get its class ids; a class that it does not have is named."""
    write_folder(tmp_path, {"tulip": 1, "rose": 1})
    dataset = read_dataset(tmp_path, ("lily", "tulip", "rose"))
    assert dataset.classes == ("lily", "tulip", "rose")
    assert sorted(one.class_id for one in dataset.photos) == [1, 2]
    assert "the model has no class 'rose'. It has 'tulip'." in _refusal(tmp_path, ("tulip",))


def test_a_class_name_that_two_classes_of_a_model_have_must_be_numbered(tmp_path):
    """ImageNet has two classes called crane: a name alone does not tell which is meant."""
    write_folder(tmp_path, {"crane": 1})
    message = _refusal(tmp_path, ("crane", "crow", "crane"))
    assert "the model's classes 0, 2 are all called 'crane'" in message


def test_new_classes_are_put_behind_those_of_a_model(tmp_path):
    """Who trains on keeps the numbers of the classes that there were."""
    write_folder(tmp_path, {"aster": 1, "tulip": 1})
    dataset = read_dataset(tmp_path, ("rose", "tulip"), adds_classes=True)
    assert dataset.classes == ("rose", "tulip", "aster")
    assert [one.class_id for one in dataset.photos] == [2, 1]


def test_reading_tells_how_far_it_is(tmp_path):
    """Every photo that is read is counted, so that a person sees that it goes on."""
    told = []
    write_folder(tmp_path, {"rose": 2, "tulip": 1})
    read_dataset(tmp_path, report=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
