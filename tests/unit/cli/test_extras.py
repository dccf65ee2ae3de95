"""What a command says where a package of an extra is missing."""

import pytest

from topfive.cli.extras import require_packages
from topfive.errors import Mistake


def test_installed_packages_are_no_problem():
    """Nothing is said."""
    require_packages(("click", "numpy"), "topfive evaluate", "requirements-evaluate.txt")


def test_a_missing_package_is_told_with_what_to_install():
    """The message names the package and the file of requirements."""
    with pytest.raises(Mistake, match=r"nosuchpackage.*pip install -r requirements-evaluate\.txt"):
        require_packages(
            ("click", "nosuchpackage"), "topfive evaluate", "requirements-evaluate.txt"
        )


def test_several_missing_packages_are_told_together():
    """Only what is missing is named."""
    with pytest.raises(Mistake, match="needs nosuch and northis, which are not installed"):
        require_packages(("nosuch", "click", "northis"), "topfive bulk", "requirements-bulk.txt")
