"""How a model wants its pictures: what is refused, and how it is written."""

import pytest

from topfive.input_recipe import InputRecipe

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _recipe(resize: int = 72, crop: int = 64, **options: str) -> InputRecipe:
    return InputRecipe(resize=resize, crop=crop, mean=MEAN, std=STD, **options)


@pytest.mark.parametrize(("resize", "crop"), [(63, 64), (64, 0), (0, 0), (10, -1)])
def test_a_crop_must_fit_into_the_resized_side(resize, crop):
    """A recipe that cannot be followed is refused when it is made."""
    with pytest.raises(ValueError, match="crop"):
        _recipe(resize, crop)


def test_an_unknown_interpolation_is_refused():
    """The message lists the interpolations there are."""
    with pytest.raises(ValueError, match="bicubic"):
        _recipe(interpolation="lanczos")


def test_a_std_must_be_positive():
    """A standard deviation of zero would divide by zero."""
    with pytest.raises(ValueError, match="std"):
        InputRecipe(resize=72, crop=64, mean=MEAN, std=(0.2, 0.0, 0.2))


def test_its_written_form_is_kept():
    """Versions of models of one's own are digests of these very bytes."""
    assert _recipe().model_dump_json() == (
        '{"resize":72,"crop":64,"interpolation":"bilinear",'
        '"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}'
    )


def test_it_never_changes():
    """A recipe that is shared by a bundle and a classifier cannot be written to."""
    with pytest.raises(ValueError, match="frozen"):
        _recipe().crop = 1
