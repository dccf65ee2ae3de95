"""Fields are read into a shape, or refused in words that help and repeat nothing harmful."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topfive.api.fields import declared_fields, may_be_shown, read_fields
from topfive.api.schemas import PredictFields
from topfive.errors import InvalidParameter


def refusal(*given: tuple[str, str]) -> str:
    """Read fields that are wrong; returns what the caller is told."""
    with pytest.raises(InvalidParameter) as found:
        read_fields(PredictFields, given)
    return found.value.detail


def test_nothing_given_means_the_defaults() -> None:
    """Every field may be left away."""
    assert read_fields(PredictFields, ()) == PredictFields()
    assert PredictFields().top_k == 5


def test_fields_are_taken_as_texts() -> None:
    """Numbers come as texts, and an empty text is a value."""
    found = read_fields(PredictFields, [("top_k", "7"), ("model", "tiny"), ("version", "")])
    assert (found.top_k, found.model, found.version) == (7, "tiny", "")


@pytest.mark.parametrize("name", ["topk", "top-k", "TOP_K", "topK", "top_k "])
def test_a_slip_is_told_with_what_was_meant(name: str) -> None:
    """A name that is nearly right is refused with the right one."""
    assert refusal((name, "3")) == f"`{name}` is not known. Did you mean `top_k`?"


def test_another_name_is_told_with_those_there_are() -> None:
    """A name like none is refused with all that are known."""
    told = "`fruit` is not known. Known are `top_k`, `model`, `version` and `explain`."
    assert refusal(("fruit", "apple")) == told


def test_an_unknown_name_is_told_first() -> None:
    """A wrong value beside a slip in a name does not hide the slip."""
    assert "`verison`" in refusal(("top_k", "0"), ("verison", "1"))


@pytest.mark.parametrize("text", ["abc", "0", "101", "-1", "1.5", "", "NaN", "[]", "9" * 30])
def test_a_wrong_number_is_told_with_its_range(text: str) -> None:
    """One sentence says what is wanted and what came, however the value is wrong."""
    assert (
        refusal(("top_k", text)) == f"`top_k` must be a whole number from 1 to 100, not '{text}'."
    )


def test_what_can_be_explained_is_told() -> None:
    """Of a field that takes one word the word is told."""
    assert refusal(("explain", "why")) == "`explain` must be `heatmap`, not 'why'."
    assert read_fields(PredictFields, [("explain", "heatmap")]).options().explains
    assert not PredictFields().options().explains


def test_a_long_name_of_a_model_is_not_repeated() -> None:
    """The limit is told, the text is not."""
    assert refusal(("model", "m" * 201)) == "`model` must have at most 200 characters."


def test_two_values_are_one_too_many() -> None:
    """A field with two different values is refused; the same value twice does no harm."""
    assert refusal(("top_k", "3"), ("top_k", "4")).startswith("`top_k` is given twice")
    assert read_fields(PredictFields, [("top_k", "3"), ("top_k", "3")]).top_k == 3


@pytest.mark.parametrize(
    "text",
    ["<script>", "a`b", "it's", 'say "x"', "a&b", "line\nbreak", "\u202e", "\ud800", "y" * 41],
)
def test_what_could_do_harm_is_not_repeated(text: str) -> None:
    """Neither a name nor a value that is long, or not plain, comes back."""
    assert not may_be_shown(text)
    assert text not in refusal((text, "1"))
    assert refusal(("top_k", text)) == "`top_k` must be a whole number from 1 to 100."


@given(st.dictionaries(st.text(max_size=60) | st.sampled_from(["top_k", "model"]), st.text()))
def test_any_fields_are_read_or_refused_in_short(fields: dict[str, str]) -> None:
    """Whatever is given, the answer is the shape, or a short printable sentence of our own."""
    told = ""
    try:
        read_fields(PredictFields, fields.items())
    except InvalidParameter as error:
        told = error.detail
    assert len(told) < 200
    assert told.isprintable()
    assert "Input should" not in told


def test_every_field_can_be_refused_in_words() -> None:
    """Each declared field has the limits that its sentence needs."""
    for name in declared_fields(PredictFields):
        assert refusal((name, "x" * 1000)).startswith(f"`{name}` must ")
