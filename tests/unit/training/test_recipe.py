"""The recipe of a training, and what a trained model may be called."""

import pytest

from tests.unit.bundle_copies import copy_bundle
from topfive.bundles.store import demo_root
from topfive.errors import SettingsError
from topfive.input_recipe import InputRecipe
from topfive.training.finetuning.naming import check_model_name, choose_version
from topfive.training.finetuning.recipe import TrainingRecipe, parse_recipe, read_recipe

_TOML = """
epochs = 3
optimizer = "sgd"
[input]
crop = 64
resize = 64
[augmentation]
flip = false
crop_scale = [1, 1]
"""


def test_a_recipe_is_read_from_toml(tmp_path):
    """What the file does not say has its default."""
    file = tmp_path / "recipe.toml"
    file.write_text(_TOML, "utf-8")
    recipe = read_recipe(file)
    assert (recipe.epochs, recipe.optimizer, recipe.seed) == (3, "sgd", 0)
    assert recipe.augmentation.crop_scale == (1, 1)
    base = InputRecipe(resize=232, crop=224, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    assert recipe.input.change(base) == base.model_copy(update={"resize": 64, "crop": 64})


def test_a_recipe_that_is_nested_too_deep_is_refused(tmp_path):
    """A reader that runs out of stack is told as what it is."""
    file = tmp_path / "recipe.toml"
    file.write_text("a = " + "[" * 5000)
    with pytest.raises(SettingsError, match=r"recipe\.toml is no recipe: it is nested too deep"):
        read_recipe(file)


def test_a_recipe_survives_its_json():
    """What a manifest keeps is read as the same recipe."""
    recipe = parse_recipe({"augmentation": {"scale": [0.5, 1.1]}}, "test")
    assert parse_recipe(recipe.model_dump(mode="json"), "test") == recipe


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "epoch: it is not known.*Known: seed, "),
        ({"epochs": -1, "batch_size": 0}, "epochs: .*batch_size: "),
        ({"epochs": 10**30, "batch_size": 10**30}, "epochs: .*batch_size: "),
        ({"augmentation": {"crop_scale": [1, 0.5]}}, "goes from 1.0 down to 0.5"),
        ({"augmentation": {"crop_scale": [0.5, 2]}}, "at most 1"),
        ({"epochs": 0, "head_epochs": 0}, "nothing is trained"),
        ({"pretrained": False, "epochs": 0}, "nothing is trained"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_told(content, message):
    """All problems at once, each with its name."""
    with pytest.raises(SettingsError, match=message):
        parse_recipe(content, "recipe.toml")


@pytest.mark.parametrize("text", ["epochs = ", "\udcff"])
def test_a_recipe_that_is_no_toml_is_told(tmp_path, text):
    """The error names the file."""
    file = tmp_path / "broken.toml"
    file.write_text(text, "utf-8", errors="surrogateescape")
    with pytest.raises(SettingsError, match=r"broken\.toml is not TOML"):
        read_recipe(file)


def test_a_network_without_weights_learns_everything_at_once():
    """There is nothing to freeze: neither below the last layer nor in the norms."""
    recipe = TrainingRecipe(pretrained=False)
    assert not recipe.has_head_phase
    assert not recipe.keeps_norms


def test_official_names_are_for_official_models(tmp_path):
    """Only what is shipped inside is trained under such a name."""
    with pytest.raises(SettingsError, match="such as digits-custom"):
        check_model_name("digits", tmp_path)
    assert check_model_name("digits", demo_root()) == "digits"


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ((), "1.0.0"),
        (("1.0.0",), "1.1.0"),
        (("1.9.3", "1.10.1"), "1.11.0"),
        (("1",), "1.1.0"),
        (("sha256-0123456789ab",), "1.0.0"),
    ],
)
def test_versions_go_on(tmp_path, present, expected):
    """The first is 1.0.0, and the next a minor one after the latest semantic version."""
    for version in present:
        copy_bundle(demo_root() / "digits" / "1", tmp_path / "digits" / version, version=version)
    assert choose_version(tmp_path, "digits") == expected


def test_a_version_never_changes(tmp_path):
    """One that is there is refused, with the one that would come next."""
    copy_bundle(demo_root() / "digits" / "1", tmp_path / "digits" / "1.0.0", version="1.0.0")
    with pytest.raises(SettingsError, match=r"becomes 1\.1\.0"):
        choose_version(tmp_path, "digits", "1.0.0")
    assert choose_version(tmp_path, "digits", "2") == "2"
