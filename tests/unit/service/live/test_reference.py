"""References: of the bundle where it says enough, else of the first predictions."""

import json
import shutil

import pytest

from tests.unit.service.live.observed import FakeObservations, draw_predictions
from topfive.bundles.manifest import EVALUATION_FILE
from topfive.bundles.store import demo_root, read_manifest
from topfive.bundles.versions import KnownBundle
from topfive.history.observations import ObservedModel
from topfive.history.records import RecordedModel
from topfive.service.live.reference import References, ReferenceSource


@pytest.fixture
def digits(tmp_path):
    """A copy of the shipped bundle, which tells of 720 held-out pictures."""
    folder = tmp_path / "digits"
    shutil.copytree(demo_root() / "digits" / "1", folder)
    return KnownBundle(folder, read_manifest(folder))


def observed(bundle):
    """The version of a bundle, as a history knows it."""
    names = tuple(str(one) for one in range(bundle.manifest.classes))
    return ObservedModel(1, RecordedModel("digits", "1", bundle.digest, names))


def find(bundle, observations=None):
    """Find the reference of a bundle that is here."""
    references = References(observations or FakeObservations())
    return references.find(observed(bundle), [bundle])


def test_a_bundle_that_was_evaluated_is_the_reference(digits):
    """Its held-out photos say which classes are predicted, and how surely."""
    found = find(digits)
    document = json.loads((digits.folder / EVALUATION_FILE).read_text())
    assert found.source is ReferenceSource.EVALUATION
    assert found.count == document["photos"] == found.confidence_counts.sum()
    assert found.mean_confidence == document["mean_confidence"]
    assert (found.is_complete, found.last_ms) == (True, None)


@pytest.mark.parametrize("content", [b"{", b"{}", b"[]", b'{"confusions": 3}', None])
def test_a_file_that_is_not_the_bundles_is_no_reference(digits, content):
    """A changed, damaged or missing evaluation says nothing, and nothing fails."""
    path = digits.folder / EVALUATION_FILE
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert find(digits).source is ReferenceSource.FIRST_PREDICTIONS


def test_a_bundle_of_other_bytes_is_no_reference(digits):
    """What has the same name and version but another digest says nothing of this one."""
    other = ObservedModel(1, RecordedModel("digits", "1", "f" * 64, tuple("0123456789")))
    found = References(FakeObservations()).find(other, [digits])
    assert found.source is ReferenceSource.FIRST_PREDICTIONS


def test_a_bundle_that_is_gone_leaves_the_first_predictions(digits):
    """They are the reference, whatever came before."""
    observations = FakeObservations(draw_predictions(1200, seed=4))
    other = ObservedModel(1, RecordedModel("m", "1", "b" * 64, tuple(map(str, range(1000)))))
    found = References(observations).find(other, [digits])
    assert (found.source, found.count) == (ReferenceSource.FIRST_PREDICTIONS, 1000)
    assert found.last_ms == observations.predictions[999][0]


def test_a_reference_outlives_the_predictions_that_it_was_made_of(digits):
    """Retention deletes the first ones, and what is compared is held against them all the same."""
    observations = FakeObservations(draw_predictions(1400, seed=4))
    references = References(observations)
    before = references.find(observations.observed[0], [digits])
    references.keep(observations.observed[0], [digits])
    observations.predictions = observations.predictions[900:]
    after = references.find(observations.observed[0], [digits])
    assert after.class_counts.tolist() == before.class_counts.tolist()
    assert after.confidence_counts.tolist() == before.confidence_counts.tolist()
    assert (after.mean_confidence, after.last_ms) == (before.mean_confidence, before.last_ms)


def test_no_reference_is_kept_before_it_is_whole(digits):
    """Nor one of a bundle, which is there as long as the bundle is."""
    few = FakeObservations(draw_predictions(999, seed=4))
    References(few).keep(few.observed[0], [])
    assert few.observed[0].reference is None
    many = FakeObservations(draw_predictions(1000, seed=4), observed=(observed(digits),))
    References(many).keep(many.observed[0], [digits])
    assert many.observed[0].reference is None
    References(many).keep(many.observed[0], [])
    assert many.observed[0].reference is not None
