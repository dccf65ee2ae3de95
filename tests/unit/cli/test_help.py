"""The command line explains itself."""

import pytest
from click.testing import CliRunner

from topfive.cli import commands


@pytest.mark.parametrize("command", ["serve", "pull", "classify", "doctor"])
def test_examples_stand_on_lines_of_their_own(command):
    """The examples in --help can be copied line by line."""
    lines = CliRunner().invoke(commands, [command, "--help"]).output.splitlines()
    assert "  Examples:" in lines
    assert any(line.strip().startswith(f"topfive {command}") for line in lines)
    assert not any("\\b" in line for line in lines)
