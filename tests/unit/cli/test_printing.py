"""What a command prints, where its output or the names in it are hostile."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests import pictures

_PRINT = """
from topfive import __main__, cli
cli.main = lambda: print("owl \\U0001f989 \\udcff")
__main__.main()
"""


def _run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        **options,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_for_what_is_printed_is_told():
    """One plain line, and exit code 1."""
    with Path("/dev/full").open("w") as full:
        done = _run("-c", _PRINT, stdout=full)
    assert (done.returncode, done.stderr) == (
        1,
        "Error: What was to be printed: No space left on device.\n",
    )


def test_names_that_the_output_lacks_letters_for_are_printed():
    """Their codes stand for them."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = _run("-c", _PRINT, stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stdout) == (0, "owl \\U0001f989 \\udcff\n")


def test_a_files_name_does_not_steer_the_terminal(tmp_path):
    """An error may quote any name; what a terminal would obey in it is written out."""
    folder = tmp_path / "\x1b[2Jphotos"
    done = _run("-m", "topfive", "train", str(folder), "--base", "digits", "--name", "a")
    assert done.returncode == 2
    assert "\\x1b[2Jphotos" in done.stderr
    assert "\x1b" not in done.stderr


def test_pillows_own_words_are_left_out(tmp_path):
    """What it warns of names neither a file nor what to do."""
    folder = tmp_path / "photos" / "a"
    folder.mkdir(parents=True)
    whole = pictures.encode(pictures.draw(8, 8, 0), "PNG")
    # An animation of no pictures, behind the 33 bytes that every PNG begins with.
    chunk = b"acTL" + bytes(8)
    animated = whole[:33] + struct.pack(">I", 8) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (folder / "still.png").write_bytes(animated + whole[33:])
    done = _run("-m", "topfive", "train", str(folder.parent), "--base", "digits", "--name", "a")
    assert done.returncode == 2
    assert "Two classes are needed" in done.stderr
    assert "APNG" not in done.stderr
