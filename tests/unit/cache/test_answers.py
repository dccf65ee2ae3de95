"""An answer comes back as it was kept, and nothing else is taken for one."""

import hashlib
from dataclasses import replace

import pytest

from tests.unit.cache.samples import QUESTION, answer
from topfive.cache import answers
from topfive.cache.answers import BrokenEntry, answer_key, read_entry, write_entry

KEY = answer_key(b"picture", QUESTION)


@pytest.mark.parametrize("heatmap_bytes", [0, 5000])
def test_an_answer_comes_back_as_it_was(heatmap_bytes):
    """Every digit of a confidence and every byte of a heatmap is the same."""
    kept = answer(7, heatmap_bytes)
    assert read_entry(KEY, write_entry(KEY, kept)) == kept


def test_every_part_of_a_question_makes_another_key():
    """A picture, a model, an engine or a parameter that differs never gets another's answer."""
    others = [
        answer_key(b"another", QUESTION),
        answer_key(b"picture", replace(QUESTION, bundle_digest="cd" * 32)),
        answer_key(b"picture", replace(QUESTION, engine="torch")),
        answer_key(b"picture", replace(QUESTION, precision="bf16")),
        answer_key(b"picture", replace(QUESTION, top_k=4)),
        answer_key(b"picture", replace(QUESTION, explains=True)),
    ]
    assert len({KEY, *others}) == 7
    assert answer_key(b"picture", replace(QUESTION)) == KEY


def test_another_version_of_topfive_has_other_keys(monkeypatch):
    """It may prepare pictures in another way."""
    monkeypatch.setattr(answers, "__version__", "0.0.1")
    assert answer_key(b"picture", QUESTION) != KEY


@pytest.mark.parametrize("cut", [0, 1, 16, 17, -1])
def test_a_truncated_entry_is_broken(cut):
    """Wherever it was cut."""
    with pytest.raises(BrokenEntry):
        read_entry(KEY, write_entry(KEY, answer())[:cut])


def test_an_entry_of_which_a_bit_has_changed_is_broken():
    """Whichever byte it is in."""
    entry = write_entry(KEY, answer())
    for place in range(0, len(entry), 7):
        changed = bytearray(entry)
        changed[place] ^= 1
        with pytest.raises(BrokenEntry):
            read_entry(KEY, bytes(changed))


def test_an_entry_below_another_key_is_broken():
    """Somebody who copies entries about changes no answers."""
    with pytest.raises(BrokenEntry, match="checksum"):
        read_entry(answer_key(b"another", QUESTION), write_entry(KEY, answer()))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"classes":[],"image":["JPEG",1,1],"heatmap":null}',
        b'{"classes":[[-1,"a",0.5]],"image":["JPEG",1,1],"heatmap":null}',
        b'{"classes":[[1,"a",1.5]],"image":["JPEG",1,1],"heatmap":null}',
        b'{"classes":[[1,"a",NaN]],"image":["JPEG",1,1],"heatmap":null}',
        b'{"classes":[[1,"a","0.5"]],"image":["JPEG",1,1],"heatmap":null}',
        b'{"classes":[[1,"a",0.5]],"image":["JPEG",0,1],"heatmap":null}',
        b'{"classes":[[1,"a",0.5]],"image":["JPEG",1,1],"heatmap":[1,2,3]}',
        b'{"classes":[[1,"a",0.5]],"image":["JPEG",1,1],"heatmap":[1,2,3,"not base64!"]}',
        b'{"classes":[[1,"a",0.5]],"image":["JPEG",1,1],"heatmap":null,"more":1}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_broken(text):
    """A right checksum makes no answer of it."""
    checksum = hashlib.blake2b(text, digest_size=16, key=KEY).digest()
    with pytest.raises(BrokenEntry):
        read_entry(KEY, checksum + text)
