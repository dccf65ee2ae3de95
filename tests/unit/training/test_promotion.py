"""A version takes over only from the very one that it was found better than."""

import pytest

from topfive.bundles.manifest import ComparisonSection
from topfive.errors import PromotionRefused
from topfive.training.promotion import Serving, check_promotion

_SERVING = Serving("1.0.0", "a" * 64)


@pytest.fixture
def candidate(tiny_bundle):
    """What the manifest of flowers 1.1.0 says."""
    return tiny_bundle.manifest.model_copy(update={"name": "flowers", "version": "1.1.0"})


def _comparison(**changes) -> ComparisonSection:
    values = {
        "baseline": "flowers@1.0.0", "digest": "a" * 64, "photos": 40, "former_photos": 40,
        "former_here": 40, "top1_before": 0.6, "top1_after": 0.8, "p_value": 0.021,
        "is_better": True,
    }  # fmt: skip
    return ComparisonSection(**(values | changes))


@pytest.mark.parametrize(
    "changes", [{}, {"former_here": 20}, {"former_photos": 0, "former_here": 0}]
)
def test_what_is_better_may_take_over(candidate, changes):
    """Half of the former photos suffice, and none where the one before was measured on none."""
    comparison = _comparison(**changes)
    assert check_promotion(candidate, _SERVING, comparison) is comparison


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        (None, "compared with no other version, and what serves is version 1.0.0 "),
        (_comparison(digest="b" * 64), r"sha256:aaaaaaaaaaaa\)\. Compare them on photos: topfive"),
        (_comparison(former_here=19), "compared on only 19 of the 40 photos that flowers@1.0.0 "),
        (
            _comparison(is_better=False, p_value=0.12),
            r"may be better than flowers@1\.0\.0 by chance alone: .* 0\.600 \(p = 0\.12\)\.",
        ),
        (_comparison(is_better=False, top1_after=0.6, p_value=1), "is not better than flowers@1.0"),
    ],
)
def test_everything_else_is_refused_with_the_reason(candidate, comparison, said):
    """The message has the figures, and says how the version can serve all the same."""
    with pytest.raises(PromotionRefused, match=said) as refused:
        check_promotion(candidate, _SERVING, comparison)
    assert "topfive" in str(refused.value).rpartition(": ")[2]
