"""Whose quota a call is counted under."""

import pytest

from topfive.api.quota import rate_limit_key

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("198.51.100.7", "198.51.100.7:50000"),
        ("198.51.100.7:50000", "198.51.100.7:50001"),
        ("198.51.100.7", "::ffff:198.51.100.7"),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"),
        ("2001:db8:0:1::1", "[2001:db8:0:1::2]:443"),
        ("fe80::1%eth0", "fe80::2%eth0"),
        ("", None),
        ("", "unknown"),
        ("_hidden", "another proxy's word"),
    ],
)
def test_these_are_one_caller(one, other):
    """Neither ports nor further addresses of one customer make a further quota."""
    assert rate_limit_key(one, None, False) == rate_limit_key(other, None, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("198.51.100.7", "198.51.100.8"),
        ("2001:db8:0:1::1", "2001:db8:0:2::1"),
        ("::ffff:198.51.100.7", "::ffff:198.51.100.8"),
        ("198.51.100.7", ""),
    ],
)
def test_these_are_two_callers(one, other):
    """Whoever has an address, or a network, of their own has a quota of their own."""
    assert rate_limit_key(one, None, False) != rate_limit_key(other, None, False)


def test_a_good_key_counts_for_itself():
    """Its holder may come from anywhere; a wrong key counts apart from others at its address."""
    address, elsewhere = "198.51.100.7", "198.51.100.8"
    assert rate_limit_key(address, DIGEST, True) == rate_limit_key(elsewhere, DIGEST, True)
    keys = {rate_limit_key(address, *key) for key in ((DIGEST, True), (None, True))}
    assert len(keys | {rate_limit_key(address, None, False)}) == 3
