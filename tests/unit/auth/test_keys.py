"""API keys."""

import hashlib

import pytest

from topfive.auth.keys import ApiKey, ApiKeys, NoApiKeys, parse_api_keys
from topfive.errors import Forbidden, Unauthorized


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _keys(text: str) -> ApiKeys:
    return ApiKeys(lambda: parse_api_keys(text))


def test_entries_have_scopes_or_the_default():
    """A bare digest may predict; scopes that are given replace that."""
    text = f" {_digest('a')} , {_digest('b').upper()}:admin, {_digest('c')}:predict+admin,,"
    assert parse_api_keys(text) == (
        ApiKey(_digest("a"), frozenset({"predict"})),
        ApiKey(_digest("b"), frozenset({"admin"})),
        ApiKey(_digest("c"), frozenset({"predict", "admin"})),
    )
    assert parse_api_keys("") == ()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("my-secret-key", "not a SHA-256 digest"),
        ("g" * 64, "not a SHA-256 digest"),
        ("a" * 63, "not a SHA-256 digest"),
        ("a" * 64 + ":root", "unknown scope"),
        ("a" * 64 + ":predict+", "unknown scope"),
    ],
)
def test_a_bad_entry_is_named_by_its_number_never_its_text(entry, reason):
    """The message says which entry is wrong and why, without quoting it."""
    with pytest.raises(ValueError, match=f"entry 2 .*{reason}") as refusal:
        parse_api_keys(f"{_digest('fine')},{entry}")
    assert entry not in str(refusal.value)


def test_a_right_key_with_the_scope_passes():
    """Each of several keys is accepted for what it may do."""
    keys = _keys(f"{_digest('one')},{_digest('two')}:admin")
    keys.check(keys.find("one"), "predict")
    keys.check(keys.find("two"), "admin")


@pytest.mark.parametrize("presented", ["", "three", "ONE", "one ", "ö", "\udcff"])
def test_a_missing_or_wrong_key_is_unauthorized(presented):
    """Nothing but the very key is accepted, odd bytes raise nothing else."""
    keys = _keys(_digest("one"))
    assert keys.find(presented) is None
    with pytest.raises(Unauthorized):
        keys.check(keys.find(presented), "predict")


def test_an_empty_text_is_never_a_key():
    """Not even its digest among the keys lets in whoever presents nothing."""
    assert _keys(_digest("")).find("") is None


def test_the_digest_is_not_the_key():
    """Who knows what is stored still has no key."""
    assert _keys(_digest("one")).find(_digest("one")) is None


def test_a_key_without_the_scope_is_forbidden():
    """A known key is told that it does not reach."""
    keys = _keys(_digest("one"))
    with pytest.raises(Forbidden, match="'admin'"):
        keys.check(keys.find("one"), "admin")


def test_keys_of_any_script_work():
    """A key may hold any character."""
    found = _keys(_digest("schlüssel-🔑")).find("schlüssel-🔑")
    assert found is not None
    assert found.digest == _digest("schlüssel-🔑")


def test_without_keys_everyone_passes():
    """The stand-in for no keys asks for nothing."""
    keys = NoApiKeys()
    for presented in ("", "anything"):
        keys.check(keys.find(presented), "admin")


def test_no_keys_at_all_let_nobody_in():
    """Where a source runs empty nobody is let in."""
    with pytest.raises(Unauthorized):
        ApiKeys(tuple).check(ApiKeys(tuple).find("one"), "predict")
