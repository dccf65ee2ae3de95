"""How far two distributions over classes lie apart: the population stability index."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

# Above this a population counts as changed by the usual rule: N. Siddiqi, Credit risk scorecards,
# 2006, which calls 0.1 to 0.25 a small change; and most monitors warn from here on.
PSI_THRESHOLD = 0.2
MOST_GROUPS = 10
# Beyond chance is what chance alone shows once in so many independent windows.
CHANCE = 0.001
# Above so many standard deviations lies that share of a normal distribution.
_REACH = 3.090232306167813
# So that a class that one side has never seen makes the index large and not infinite.
_SMOOTHING = 0.5

Counts = NDArray[np.int64]


def group_classes(reference: Counts, most: int = MOST_GROUPS) -> Counts:
    """Sort classes into at most `most` groups with about equal shares of the reference.

    Takes how often each class was predicted, (classes,), and returns the number of each one's
    group, (classes,), from 0. With 1000 classes and as many predictions an index over classes
    would be noise alone. Neighbouring ids share a group, since lists of classes put like beside
    like; a class that makes up more than a group is alone in one.
    """
    groups = min(most, len(reference))
    mass = reference + _SMOOTHING / len(reference)
    middles = (np.cumsum(mass) - mass / 2) / mass.sum()
    _, numbers = np.unique(np.floor(middles * groups), return_inverse=True)
    return numbers.astype(np.int64)


def add_up(counts: Counts, groups: Counts) -> Counts:
    """Add counts (classes,) up by the groups (classes,) that the classes are in: (groups,)."""
    return np.bincount(groups, counts, minlength=int(groups.max()) + 1).astype(np.int64)


def stability_index(reference: Counts, window: Counts) -> float:
    """Give the population stability index of two counts over the same groups, (groups,).

    It is the sum of (w - r) ln(w / r) over their shares, 0 where these are equal.
    """
    r, w = (_shares(one) for one in (reference, window))
    return float(((w - r) * np.log(w / r)).sum())


def index_by_chance(reference: Counts, window: Counts) -> float:
    """Give the index that two samples of one distribution exceed by chance once in 1000 times.

    The index of samples of m and n is about (1 / m + 1 / n) times a chi-squared number with a
    degree of freedom less than there are groups. Source: B. Yurdakul and J. Naranjo, Statistical
    properties of the population stability index, 2020.
    """
    degrees = len(reference) - 1
    if not degrees:
        return 0.0
    scale = float(1 / reference.sum() + 1 / window.sum())
    return scale * _rare_chi_squared(degrees)


def _shares(counts: Counts) -> NDArray[np.float64]:
    smoothed = counts + _SMOOTHING
    shares: NDArray[np.float64] = smoothed / smoothed.sum()
    return shares


def _rare_chi_squared(degrees: int) -> float:
    """Approximate what is exceeded with CHANCE, at most 3% off.

    Source: E. B. Wilson and M. M. Hilferty, The distribution of chi-square, 1931.
    """
    spread = 2 / (9 * degrees)
    root = 1 - spread + _REACH * sqrt(spread)
    return float(degrees * root**3)
