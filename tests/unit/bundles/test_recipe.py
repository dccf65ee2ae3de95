"""A recipe of one's own, in an operator's words."""

import pytest

from topfive.bundles.official import official_weights
from topfive.bundles.recipe import RecipeOptions, change_recipe, parse_mean, parse_std
from topfive.errors import SettingsError

BASE = official_weights("resnet50").input


def test_what_is_not_given_stays_as_it_is():
    """Only the given parts are changed."""
    assert change_recipe(BASE, RecipeOptions()) == BASE
    changed = change_recipe(BASE, RecipeOptions(resize=256, mean=(0.5, 0.5, 0.5)))
    assert (changed.resize, changed.crop) == (256, 224)
    assert (changed.mean, changed.std) == ((0.5, 0.5, 0.5), BASE.std)


@pytest.mark.parametrize("changes", [{"resize": 200}, {"crop": 233}, {"resize": 5000}])
def test_parts_that_do_not_go_together_are_refused(changes):
    """A crop larger than the picture, or a size beyond all reason, is told."""
    with pytest.raises(SettingsError):
        change_recipe(BASE, RecipeOptions(**changes))


def test_three_numbers_are_read():
    """Spaces around them do no harm."""
    assert parse_mean("0.485, 0.456,0") == (0.485, 0.456, 0)
    assert parse_std("1,.5,0.25") == (1, 0.5, 0.25)


@pytest.mark.parametrize("text", ["", "0.5", "0.5,0.5", "1,1,1,1", "a,b,c", "nan,0,0", "0.5;0.5;1"])
def test_anything_but_three_numbers_is_refused(text):
    """The message shows how it is written."""
    for parse in (parse_mean, parse_std):
        with pytest.raises(ValueError, match=r"three numbers .* 0\.485,0\.456,0\.406"):
            parse(text)


@pytest.mark.parametrize("text", ["123.675,116.28,103.53", "-0.1,0,0"])
def test_a_mean_for_values_up_to_255_is_refused(text):
    """It would make every answer wrong without a word."""
    with pytest.raises(ValueError, match="from 0 to 1"):
        parse_mean(text)


@pytest.mark.parametrize(
    ("text", "message"), [("0,1,1", "above 0"), ("58.4,57.1,57.4", "at most 1")]
)
def test_a_deviation_that_cannot_be_is_refused(text, message):
    """Nothing can be divided by 0, and values of 0 to 255 are told."""
    with pytest.raises(ValueError, match=message):
        parse_std(text)
