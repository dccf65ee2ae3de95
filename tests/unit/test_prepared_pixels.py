"""Predictions of pixels that a caller has prepared, and what is told of a model for that."""

from collections.abc import Iterator

import numpy as np
import pytest

from topfive.concurrency.limiter import Deadline
from topfive.errors import (
    ClientDisconnected,
    DeadlineExceeded,
    InvalidParameter,
    ModelNotFound,
    Overloaded,
    ShuttingDown,
)
from topfive.images.decode import decode
from topfive.images.limits import ImageLimits
from topfive.images.preprocess import preprocess
from topfive.images.sniff import sniff
from topfive.predictions import PredictionOptions
from topfive.service import Service
from topfive.settings import parse_settings
from topfive.wiring import build_service

SIDE = 64
PIXELS = np.random.default_rng(3).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service with the digits model."""
    one = build_service(parse_settings({"TOPFIVE_MODEL": "digits"}))
    yield one
    one.close()


def later() -> Deadline:
    """Make a deadline that is far away."""
    return Deadline.after(30)


def sample(service: Service) -> bytes:
    """Read a picture that the served model knows."""
    serving = service.describe().state.serving
    assert serving is not None
    return next(serving.bundle.folder.glob("sample-*.png")).read_bytes()


def test_each_picture_gets_what_it_gets_alone(service: Service) -> None:
    """Several come back in their order, each with its own time."""
    together = service.predict_tensor(PIXELS, later(), PredictionOptions(top_k=3))
    alone = [
        service.predict_tensor(PIXELS[n : n + 1], later(), PredictionOptions(top_k=3))[0]
        for n in range(3)
    ]
    assert [one.classes for one in together] == [one.classes for one in alone]
    assert all(one.timings.inference_ms > 0 for one in together)
    assert all(one.timings.decode_ms == 0 for one in together)


def test_pixels_prepared_as_the_model_wants_get_the_pictures_classes(service: Service) -> None:
    """Who resizes and crops by the recipe in /info gets what the picture itself gets."""
    picture = sample(service)
    serving = service.describe().state.serving
    assert serving is not None
    recipe = serving.bundle.manifest.input
    limits = ImageLimits()
    pixels = preprocess(decode(sniff(picture, limits), limits, 10**4).pixels, recipe)
    (found,) = service.predict_tensor(pixels, later())
    assert found.classes == service.predict(picture, later()).classes


@pytest.mark.parametrize("shape", [(1, 32, SIDE, 3), (1, SIDE, SIDE, 1), (1, 0, 0, 3)])
def test_another_size_is_told(service: Service, shape: tuple[int, ...]) -> None:
    """The failure says what the model takes, and what came."""
    with pytest.raises(InvalidParameter, match="takes pictures of 64 x 64 x 3, not"):
        service.predict_tensor(np.zeros(shape, np.uint8), later())


def test_pixels_are_not_in_the_cache(service: Service) -> None:
    """Where only the cache may answer they are told that there is no queue slot."""
    with pytest.raises(Overloaded):
        service.predict_tensor(PIXELS, later(), PredictionOptions(only_cached=True))


def test_nothing_is_begun_for_who_has_gone_or_waited_too_long(service: Service) -> None:
    """The deadline and the client's presence count for pixels as for pictures."""
    with pytest.raises(ClientDisconnected):
        service.predict_tensor(PIXELS, later(), is_abandoned=lambda: True)
    with pytest.raises(DeadlineExceeded):
        service.predict_tensor(PIXELS, Deadline.after(-1))


def test_a_client_that_goes_meanwhile_stops_the_rest(service: Service) -> None:
    """Before each picture's turn it is asked whether anyone still waits."""
    asked: list[bool] = []

    def has_gone() -> bool:
        asked.append(len(asked) == 1)
        return asked[-1]

    with pytest.raises(ClientDisconnected):
        service.predict_tensor(PIXELS, later(), is_abandoned=has_gone)
    assert asked == [False, True]


def test_a_model_is_described_by_name(service: Service) -> None:
    """What a caller must know in order to send pixels; another name is not found."""
    found = service.describe_model("digits")
    assert (found.ref.name, found.side, found.classes) == ("digits", SIDE, 10)
    assert found.ref.version in found.versions
    with pytest.raises(ModelNotFound):
        service.describe_model("other")
    with pytest.raises(ModelNotFound):
        service.describe_model("digits", "99")


def test_a_service_that_stops_takes_no_pixels() -> None:
    """Work that would not be finished is not begun."""
    one = build_service(parse_settings({"TOPFIVE_MODEL": "digits"}))
    one.close()
    with pytest.raises(ShuttingDown):
        one.predict_tensor(PIXELS, later())
