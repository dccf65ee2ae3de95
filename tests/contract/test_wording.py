"""What a person reads is literal: the documents, and the texts in the code."""

import ast
import re
from pathlib import Path

import pytest

from tests.contract.test_docs_in_step import DOCUMENTS, ROOT

# Pictures of speech that were once here, and phrases that left a reader searching.
UNCLEAR = re.compile(
    r"\b(doors?|rooms?|floors?|roads?|peace|parted by|be had|way out|in line when|"
    r"latecomers?|tickets?|turn(?:s|ed|ing)? (?:\w+ )?away|"
    r"stands? in line|see above|not read here|not bad)\b",
    re.IGNORECASE,
)


def texts(path: Path) -> list[str]:
    """List the texts in a module that are not docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_are_literal(path: Path) -> None:
    """No document uses a word that means something else than it says."""
    assert UNCLEAR.findall(path.read_text()) == []


def test_messages_are_literal() -> None:
    """No message, description or log event of the code does either."""
    found = {
        (path.name, text)
        for path in (ROOT / "src").rglob("*.py")
        for text in texts(path)
        if UNCLEAR.search(text)
    }
    assert found == set()
