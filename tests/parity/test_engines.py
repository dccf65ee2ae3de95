"""OpenVINO against torch, on one and the same bundle."""

import numpy as np
import pytest

from tests import pictures
from topfive.bundles.store import Bundle
from topfive.classify.classifier import Classifier
from topfive.classify.loading import load_classifier
from topfive.classify.topk import softmax
from topfive.engines import EngineOptions
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import least_side, preprocess
from topfive.images.sniff import sniff

LIMITS = ImageLimits()
LEAST_ACCURACY = 0.74
NO_SHRINKING = 100_000


def _load(bundle: Bundle, engine: str) -> Classifier:
    return load_classifier(bundle, EngineOptions(engine, "f32"), LIMITS, frozenset())


@pytest.fixture(scope="module")
def tiny_pair(tiny_bundle):
    """The tiny bundle in both engines."""
    pair = _load(tiny_bundle, "openvino"), _load(tiny_bundle, "torch")
    yield pair
    for one in pair:
        one.close()


@pytest.fixture(scope="module")
def real_answers(real_bundle, photos):
    """Each engine's probabilities of every photo, as served: with shrinking while decoding."""
    answers = {}
    for engine in ("openvino", "torch"):
        classifier = _load(real_bundle, engine)
        answers[engine] = np.stack(
            [_probabilities(classifier, photo.path.read_bytes()) for photo in photos]
        )
        classifier.close()
    return answers


def _probabilities(classifier: Classifier, data: bytes, side: int | None = None):
    recipe = classifier._recipe
    decoded = decode(sniff(data, LIMITS), LIMITS, side or least_side(recipe))
    return softmax(classifier.engine.infer(preprocess(decoded.pixels, recipe)))


@pytest.mark.parametrize("seed", range(20))
def test_both_engines_give_the_same_logits(tiny_pair, seed):
    """On the same pixels the two engines' outputs differ only by the order of their sums."""
    draw = pictures.draw if seed % 2 else pictures.draw_noise
    pixels = np.asarray(draw(64, 64, seed))[np.newaxis]
    ours, reference = (one.engine.infer(pixels) for one in tiny_pair)
    assert np.abs(reference).max() > 0.5
    np.testing.assert_allclose(ours, reference, rtol=1e-3, atol=5e-3)


def test_both_engines_give_the_same_classes(tiny_pair):
    """An upload gets the same classes in the same order from either engine."""
    for seed in range(8):
        upload = sniff(pictures.jpeg(200, 150, seed), LIMITS)
        ours, reference = (one.classify(upload, 5).classes for one in tiny_pair)
        assert [one.class_id for one in ours] == [one.class_id for one in reference]
        for one, other in zip(ours, reference, strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=2e-3)


def test_one_engine_may_be_asked_from_many_threads(tiny_bundle):
    """As many threads as there are slots get the answers that one thread gets."""
    from concurrent.futures import ThreadPoolExecutor

    options = EngineOptions("openvino", "f32", 3)
    classifier = load_classifier(tiny_bundle, options, LIMITS, frozenset())
    inputs = [np.asarray(pictures.draw_noise(64, 64, seed))[np.newaxis] for seed in range(24)]
    alone = [classifier.engine.infer(pixels) for pixels in inputs]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(classifier.engine.infer, inputs))
    classifier.close()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.weights
def test_real_photos_are_recognised_alike_by_both_engines(real_answers, photos):
    """Over real photos both engines are right equally often, and often enough."""
    truth = np.array([photo.class_id for photo in photos])
    accuracy = {
        engine: float((answers.argmax(1) == truth).mean())
        for engine, answers in real_answers.items()
    }
    assert accuracy["openvino"] >= LEAST_ACCURACY
    assert abs(accuracy["openvino"] - accuracy["torch"]) <= 0.01


@pytest.mark.weights
def test_real_confidences_agree(real_answers):
    """No photo's confidence differs noticeably between the engines."""
    difference = np.abs(real_answers["openvino"] - real_answers["torch"]).max()
    assert difference < 0.005


@pytest.mark.weights
def test_shrinking_while_decoding_keeps_the_best_class(real_bundle, real_answers, photos):
    """At least 99 of 100 photos have the same best class as when they are decoded whole."""
    classifier = _load(real_bundle, "openvino")
    whole = [
        int(_probabilities(classifier, photo.path.read_bytes(), NO_SHRINKING).argmax())
        for photo in photos
    ]
    classifier.close()
    assert (real_answers["openvino"].argmax(1) == np.array(whole)).mean() >= 0.99
