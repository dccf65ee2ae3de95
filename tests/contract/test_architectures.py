"""What is known of torchvision's classifiers without torch is what torchvision says."""

import json
import re
from itertools import chain

import pytest
from docs.list_architectures import TABLE_FILE, all_weights, table_text, weights_text

from topfive.bundles.labels import hash_labels
from topfive.bundles.official import (
    IMAGENET_LABELS_SHA256,
    OFFICIAL_ARCHITECTURES,
    OFFICIAL_FILE,
    OFFICIAL_SHAPES,
    OFFICIAL_WEIGHTS,
    official_weights,
)
from topfive.engines.architectures import ARCHITECTURES, architecture_options
from topfive.engines.pooling import find_pooled_features
from topfive.engines.torchvision_models import build_module, import_torchvision
from topfive.training.recognition import recognise

# Those that are built in no time, one of each kind.
QUICK = (
    "alexnet", "convnext_tiny", "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2",
    "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1",
    "swin_t", "vit_b_16",
)  # fmt: skip


def _models():
    return import_torchvision().models


def test_every_classifier_of_torchvision_is_known():
    """None is left out, and none is named that is not there."""
    assert list(ARCHITECTURES) == _models().list_models(module=_models())
    assert ARCHITECTURES == OFFICIAL_ARCHITECTURES


def test_the_table_is_what_torchvision_says():
    """Addresses, recipes and versions are as `make architectures` writes them."""
    assert OFFICIAL_FILE.read_text("utf-8") == weights_text(OFFICIAL_SHAPES)


def test_the_list_for_people_is_what_torchvision_says():
    """docs/architectures.md too, all but the column of heatmaps, which needs every one built."""
    text = TABLE_FILE.read_text("utf-8")
    marks = dict(re.findall(r"^\| `(\w+)` .*\| (yes|) \|$", text, re.MULTILINE))
    assert tuple(marks) == ARCHITECTURES
    assert text == table_text({name: bool(mark) for name, mark in marks.items()})


def test_the_weights_that_torchvision_would_take_are_served():
    """The last of an architecture is torchvision's default."""
    for architecture in ARCHITECTURES:
        default = _models().get_model_weights(architecture).DEFAULT
        assert official_weights(architecture).url == default.url


def test_all_official_weights_have_the_same_classes():
    """ImageNet's, whose names have one digest."""
    weights = chain.from_iterable(map(_models().get_model_weights, ARCHITECTURES))
    names = {tuple(one.meta["categories"] or ()) for one in weights} - {()}
    assert {hash_labels(one) for one in names} == {IMAGENET_LABELS_SHA256}


def test_every_official_file_says_what_its_digest_begins_with():
    """Else any file would be taken for it; no two begin alike."""
    prefixes = [one.sha256_prefix for one in OFFICIAL_WEIGHTS]
    assert all(re.fullmatch("[0-9a-f]{8,10}", one) for one in prefixes)
    assert len(set(prefixes)) == len(prefixes)


def test_no_two_architectures_are_taken_for_each_other():
    """Their tensors' names and shapes differ."""
    assert len(set(OFFICIAL_SHAPES.values())) == len(ARCHITECTURES)


@pytest.mark.parametrize("architecture", QUICK)
def test_weights_are_recognised_and_heatmaps_are_as_listed(architecture):
    """Whatever the number of classes; of each kind the quickest is built."""
    side = official_weights(architecture).input.crop
    module = build_module(architecture, architecture_options(architecture, side), 7)
    assert recognise(module.state_dict()) == architecture
    row = next(
        one for one in TABLE_FILE.read_text("utf-8").splitlines() if f"`{architecture}`" in one
    )
    assert row.endswith("| yes |") == bool(find_pooled_features(module))


def test_the_table_is_json_that_others_can_read():
    """One entry for each architecture, its weights in order."""
    table = json.loads(OFFICIAL_FILE.read_text("utf-8"))
    assert table["resnet50"]["weights"] == all_weights("resnet50")
