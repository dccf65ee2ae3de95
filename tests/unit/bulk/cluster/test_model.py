"""Each actor has the model that the run was started with, or refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from topfive.bulk.cluster.actor import require_results
from topfive.bulk.cluster.model import describe_model, open_model, open_same_model
from topfive.bulk.results.folder import open_results
from topfive.engines import EngineOptions
from topfive.errors import BulkRefused, BundleMissing
from topfive.images.limits import ImageLimits
from topfive.registry.desired import named_model

LIMITS = ImageLimits()


def test_the_same_model_is_opened_again(tmp_path: Path) -> None:
    """Which it is follows from its content, and what it computes in."""
    digits = named_model("digits", tmp_path)
    first = open_model(digits, EngineOptions(precision="f32"), LIMITS)
    described = describe_model(first)
    first.close()
    again = open_same_model(digits, described, LIMITS)
    assert describe_model(again) == described
    again.close()


def test_another_model_of_that_name_is_refused(tmp_path: Path) -> None:
    """Both are named, with what they compute in."""
    digits = named_model("digits", tmp_path)
    here = open_model(digits, EngineOptions(precision="f32"), LIMITS)
    wanted = replace(describe_model(here), digest="0" * 64)
    here.close()
    with pytest.raises(BulkRefused, match=r"digits 1 \(\w{12}\) by openvino in f32, there .*0000"):
        open_same_model(digits, wanted, LIMITS)


def test_a_model_that_is_not_here_is_told_with_what_to_do(tmp_path: Path) -> None:
    """How to make it, and which one needs no making."""
    with pytest.raises(BundleMissing, match=r"topfive pull mobilenet_v2.*digits is inside"):
        open_model(named_model("mobilenet_v2", tmp_path), EngineOptions(), LIMITS)


def test_a_node_that_does_not_see_the_results_refuses(tmp_path: Path) -> None:
    """It would write where nobody looks."""
    with pytest.raises(BulkRefused, match="a directory that all nodes share"):
        require_results(open_results(str(tmp_path / "results")))
