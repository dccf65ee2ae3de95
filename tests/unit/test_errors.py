"""The failure tree: its drawing, its words and its statuses."""

import re

import pytest

from topfive import errors

# Section by section as the API's contract lists them: one word, one status.
CONTRACT = {
    "missing_file": 400,
    "empty_file": 400,
    "unsupported_format": 400,
    "invalid_image": 400,
    "invalid_parameter": 400,
    "malformed_request": 400,
    "heatmap_unavailable": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "model_not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "unsupported_media_type": 415,
    "upload_too_slow": 408,
    "model_busy": 409,
    "file_too_large": 413,
    "batch_too_large": 413,
    "image_too_large": 413,
    "model_refused": 422,
    "rate_limited": 429,
    "client_disconnected": 499,
    "internal_error": 500,
    "overloaded": 503,
    "model_unavailable": 503,
    "shutting_down": 503,
    "history_unavailable": 503,
    "out_of_memory": 503,
    "deadline_exceeded": 504,
}


def _drawn_tree() -> dict[str, str]:
    """Read the docstring's drawing: each class with the class that it hangs from."""
    parents, path = {}, []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:│   |    )*)((?:├── |└── )?)([A-Z]\w+)", line)
        if match:
            depth = len(match[1]) // 4 + bool(match[2])
            del path[depth:]
            parents[match[3]] = path[-1] if path else "TopfiveError"
            path.append(match[3])
    return parents


def _all_classes() -> dict[str, type]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.TopfiveError)
    }


def test_the_drawn_tree_is_the_tree_of_classes():
    """The drawing in the docstring shows every class, under the class it derives from."""
    real = {name: kind.__bases__[0].__name__ for name, kind in _all_classes().items()}
    assert _drawn_tree() == real | {"TopfiveError": "TopfiveError"}


def test_the_drawn_words_are_the_real_ones():
    """The status and code drawn beside each failure are the class's own."""
    drawn = re.findall(r"── (\w+) +(\d{3}) (\w+)$", errors.__doc__ or "", re.MULTILINE)
    real = [(kind.__name__, str(kind.status), kind.code) for kind in errors.FAILURES.values()]
    assert sorted(drawn) == sorted(real)


def test_all_is_exact():
    """`__all__` names every class and the table, and nothing else."""
    assert sorted(errors.__all__) == sorted([*_all_classes(), "FAILURES"])


def test_codes_and_statuses_are_the_contract():
    """Callers see exactly the codes and statuses that were promised."""
    assert {code: kind.status for code, kind in errors.FAILURES.items()} == CONTRACT


@pytest.mark.parametrize("code", CONTRACT)
def test_a_failure_speaks_in_its_own_words(code):
    """A failure without a detail says its kind's or its title; a detail takes the place of both."""
    kind = errors.FAILURES[code]
    assert str(kind()) == kind().detail == (kind.default_detail or kind.title)
    assert kind.default_detail.startswith(kind.title) or not kind.default_detail
    assert str(kind("More is known.")) == "More is known."
    assert kind().retry_after_s is None
    assert kind(retry_after_s=7).retry_after_s == 7


def test_class_names_and_codes_are_the_same_words():
    """A failure's code is its class's name in snake case."""
    for code, kind in errors.FAILURES.items():
        assert re.sub(r"(?<!^)([A-Z])", r"_\1", kind.__name__).lower() == code
