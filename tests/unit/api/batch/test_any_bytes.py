"""Whatever arrives as a batch is pictures or a failure, the same for pieces of any size."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.api.batch.parsing import LIMITS, parse, told
from topfive.api.batch.contents import BatchParser
from topfive.api.batch.form_parser import FormParser
from topfive.api.batch.json_parser import JsonParser

FORM_PARTS = [
    b"--b", b"\r\n", b"--", b"\n", b"Content-Disposition: form-data; ", b'name="files"',
    b'; name="top_k"', b'; filename="a"', b"Content-Length: 3",
    b": ", b"\x00", b"\xff" * 9, b"3", b"-",
    b"\r",
]  # fmt: skip
JSON_PARTS = [
    b"{", b"}", b"[", b"]", b'"', b'"images"', b":", b",", b'"AAAA"', b"\\", b"1", b"-", b"1e9",
    b"null", b"true", b" ", b'"top_k"', b"A" * 300, b"\xff", b"/*", b"\x01", b"\\ud800",
]  # fmt: skip


def bodies(parts: list[bytes]) -> st.SearchStrategy[bytes]:
    """Make bodies of what a real one is made of, in any order, and of any bytes."""
    return st.lists(st.sampled_from(parts), max_size=30).map(b"".join) | st.binary(max_size=200)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: FormParser("b", LIMITS), FORM_PARTS),
        (lambda: JsonParser(LIMITS), JSON_PARTS),
    ],
    ids=["a form", "JSON"],
)
def test_any_bytes_have_one_meaning(make: Callable[[], BatchParser], parts: list[bytes]) -> None:
    """No other exception than a failure, and nothing that hangs on how the body was cut."""

    @settings(max_examples=300)
    @given(body=bodies(parts), size=st.integers(1, 40))
    def check(body: bytes, size: int) -> None:
        whole = told(parse(make(), body, max(1, len(body))))
        cut = told(parse(make(), body, size))
        assert [one for one in cut if not isinstance(one, str)] == [
            one for one in whole if not isinstance(one, str)
        ]
        assert len(cut) == len(whole)

    check()
