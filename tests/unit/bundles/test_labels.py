"""The labels file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.bundles.labels import (
    format_labels,
    hash_labels,
    parse_labels,
    read_labels,
    repeated_labels,
    require_count,
)
from topfive.errors import LabelsRefused

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(st.lists(NAMES, min_size=1, max_size=20))
def test_what_is_written_is_read_back(names):
    """Names of any script survive being written and read."""
    assert parse_labels(format_labels(tuple(names))) == tuple(names)


def test_names_may_hold_spaces_and_end_in_any_newline():
    """Inner spaces stay, outer ones go, and a last newline is not needed."""
    assert parse_labels("great white shark\r\n tench ") == ("great white shark", "tench")


def test_the_mark_of_windows_editors_is_no_part_of_the_first_name(tmp_path):
    """A byte order mark at the start of the file is left out."""
    file = tmp_path / "labels.txt"
    file.write_text("robin\nwren\n", "utf-8-sig")
    assert read_labels(file) == ("robin", "wren")


@pytest.mark.parametrize("classes", [1, 3])
def test_the_number_of_names_must_be_right(classes):
    """More or fewer names than classes are refused with both numbers."""
    require_count(("a", "b"), 2)
    with pytest.raises(LabelsRefused, match=f"2 names for {classes} classes"):
        require_count(("a", "b"), classes)


@pytest.mark.parametrize("text", ["a\n \nc\n", "a\n\n"])
def test_an_empty_name_is_refused_with_its_line(text):
    """A blank line is a missing name, at the end of the file too."""
    with pytest.raises(LabelsRefused, match="no name in line 2"):
        parse_labels(text)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\x00b", "bell\x07", "\x9b2J"])
def test_a_name_that_could_steer_a_terminal_is_refused(name):
    """Names are shown in terminals; a tab between columns does no harm."""
    assert parse_labels("n01\ttench\nb\n") == ("n01\ttench", "b")
    with pytest.raises(LabelsRefused, match="control character in line 2"):
        parse_labels(f"a\n{name}\n")


def test_a_labels_file_is_not_read_without_end():
    """A file that has no end is refused after some megabytes."""
    with pytest.raises(LabelsRefused, match="/dev/zero has over 16 MiB"):
        read_labels(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"\xff\xfe", "not UTF-8"), (None, "No such file")]
)
def test_what_is_no_labels_file_is_refused(tmp_path, content, message):
    """A file that is missing, empty or no text is told as such."""
    file = tmp_path / "labels.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LabelsRefused, match=message):
        read_labels(file)


def test_names_that_several_classes_have_are_found():
    """Each of them is listed once; a changed name gives another hash."""
    assert repeated_labels(("owl", "wren", "owl", "owl")) == ["owl"]
    assert hash_labels(("owl", "wren")) != hash_labels(("wren", "owl"))
