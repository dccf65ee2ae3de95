"""The labels file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.bundles.labels import format_labels, parse_labels
from topfive.errors import BundleRefused

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(st.lists(NAMES, min_size=1, max_size=20))
def test_what_is_written_is_read_back(names):
    """Names of any script survive being written and read."""
    assert parse_labels(format_labels(tuple(names)), len(names)) == tuple(names)


def test_names_may_hold_spaces_and_end_in_any_newline():
    """Inner spaces stay, outer ones go, and a last newline is not needed."""
    assert parse_labels("great white shark\r\n tench ", 2) == ("great white shark", "tench")


@pytest.mark.parametrize("classes", [1, 3])
def test_the_number_of_names_must_be_right(classes):
    """More or fewer names than classes are refused with both numbers."""
    with pytest.raises(BundleRefused, match=f"2 names for {classes} classes"):
        parse_labels("a\nb\n", classes)


def test_an_empty_name_is_refused_with_its_line():
    """A blank line is a missing name."""
    with pytest.raises(BundleRefused, match="line 2"):
        parse_labels("a\n \nc\n", 3)
