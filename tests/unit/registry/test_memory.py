"""What models take, estimated and measured."""

import pytest

from topfive.bundles.versions import KnownBundle
from topfive.registry.memory import ModelMemory, estimate_bytes

MIB = 1024**2


@pytest.fixture
def bundle(tiny_bundle):
    """The tiny bundle, known and not opened."""
    return KnownBundle(tiny_bundle.folder, tiny_bundle.manifest)


def _growing(*steps_bytes: int):
    """Make a probe whose readings differ by these steps, and a memory that uses it."""
    readings = [0]
    for step in steps_bytes:
        readings.append(readings[-1] + step)
    return ModelMemory(probe=lambda: readings.pop(0))


def test_before_it_is_loaded_the_weights_are_what_counts(bundle):
    """The estimate is above the weights, with something for the graph and its slots."""
    weights_bytes = (bundle.folder / "model.bin").stat().st_size
    assert estimate_bytes(bundle) == int(1.25 * weights_bytes) + 24 * MIB
    assert ModelMemory().expect_bytes(bundle) == estimate_bytes(bundle)


def test_what_was_measured_is_expected_the_next_time(bundle):
    """The growth of the process while it was loaded is what it takes."""
    memory = _growing(30 * MIB)
    assert memory.measure(bundle, lambda: "loaded") == ("loaded", 30 * MIB)
    assert memory.expect_bytes(bundle) == 30 * MIB


@pytest.mark.parametrize("grown_bytes", [-5 * MIB, 0])
def test_it_never_takes_less_than_its_weights(bundle, grown_bytes):
    """Memory that was free in the process already hides what a model takes."""
    weights_bytes = (bundle.folder / "model.bin").stat().st_size
    assert _growing(grown_bytes).measure(bundle, lambda: "loaded")[1] == weights_bytes


def test_pictures_decoded_meanwhile_count_only_so_far(bundle):
    """What others take at the same time does not make a model seem huge for good."""
    taken_bytes = _growing(5000 * MIB).measure(bundle, lambda: "loaded")[1]
    assert taken_bytes == 2 * estimate_bytes(bundle)


def test_a_load_that_fails_measures_nothing(bundle):
    """The estimate stays, and the error is told."""
    memory = _growing(30 * MIB)
    with pytest.raises(ZeroDivisionError):
        memory.measure(bundle, lambda: 1 / 0)
    assert memory.expect_bytes(bundle) == estimate_bytes(bundle)
