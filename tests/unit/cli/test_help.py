"""The command line explains itself."""

import pytest
from click.testing import CliRunner

from topfive.cli import commands

_MAKING = ("pull", "import", "train", "evaluate", "retrain", "promote")


@pytest.mark.parametrize("command", [*_MAKING, "serve", "models", "classify", "doctor", "db"])
def test_examples_stand_on_lines_of_their_own(command):
    """The examples in --help can be copied line by line."""
    lines = CliRunner().invoke(commands, [command, "--help"]).output.splitlines()
    assert "  Examples:" in lines
    assert any(line.strip().startswith(f"topfive {command}") for line in lines)
    assert not any("\\b" in line for line in lines)


def test_what_commands_do_is_told_in_whole_sentences():
    """In `topfive --help` no sentence is cut off, on a terminal of 80 columns."""
    output = CliRunner().invoke(commands, ["--help"], terminal_width=80).output
    listed = output.partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(commands.commands)
    assert not [line for line in listed if not line.endswith(".") or line.endswith("...")]


@pytest.mark.parametrize("command", ["list", "load", "activate", "unload", "route"])
def test_commands_about_models_have_examples_too(command):
    """The same holds one level down, and each tells where the service is and of its key."""
    lines = CliRunner().invoke(commands, ["models", command, "--help"]).output.splitlines()
    assert "  Examples:" in lines
    assert any(line.strip().startswith(f"topfive models {command}") for line in lines)
    assert {"--url", "--key", "--json"} <= {word for line in lines for word in line.split()}
