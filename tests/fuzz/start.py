"""Starts a fuzz target with defaults that suit a developer's machine."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import atheris

Mutator = Callable[[bytes, int, int], bytes]

# Seconds, bytes and MB; what is given on the command line wins.
_DEFAULTS = {"-timeout": "5", "-max_len": "65536", "-rss_limit_mb": "2048"}


def fuzz(
    target: Callable[[bytes], None],
    seeds: Iterable[bytes],
    arguments: Sequence[str],
    more_seeds: Iterable[Path] = (),
    mutator: Mutator | None = None,
) -> None:
    """Fuzz `target`; the corpus and what is found go into a new folder, which is named first.

    A folder in `arguments` takes the corpus's place. `more_seeds` are only read.
    """
    folder = Path(tempfile.mkdtemp(prefix="topfive-fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / f"seed{number:03}").write_bytes(seed)
    sys.stdout.write(f"Corpus and findings: {folder}\n")
    given = {argument.partition("=")[0] for argument in arguments}
    flags = [f"{name}={value}" for name, value in _DEFAULTS.items() if name not in given]
    if "-artifact_prefix" not in given:
        flags.append(f"-artifact_prefix={folder}/")
    if "-close_fd_mask" not in given:
        flags.append("-close_fd_mask=2")
        _keep_python_errors()
    has_input = any(not argument.startswith("-") for argument in arguments)
    folders = [] if has_input else [corpus, *(path for path in more_seeds if path.is_dir())]
    command = [sys.argv[0], *flags, *arguments, *map(str, folders)]
    options = {"custom_mutator": mutator} if mutator else {}
    atheris.Setup(command, target, **options)
    atheris.Fuzz()


def _keep_python_errors() -> None:
    """Give Python a standard error of its own: libFuzzer closes the one that libtiff prints to."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
