"""A bundle is made by `topfive pull` in a process of its own."""

import subprocess
from pathlib import Path

import pytest

from topfive.errors import BundleMissing, WeightsRefused
from topfive.provider import pull_process, reports
from topfive.provider.pull_process import pull_in_own_process
from topfive.registry.desired import ModelOptions


def _options(models_dir: Path, model: str, weights: str = "", labels: Path | None = None):
    return ModelOptions(model, weights, labels, models_dir)


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_pull_that_fails_tells_what_it_raised(tmp_path, is_shown, capfd):
    """Pulling runs in a process of its own, whose error comes back as it was, and only once."""
    options = _options(tmp_path, "unheard_of", "https://example.org/a.pth", tmp_path / "labels.txt")
    with pytest.raises(WeightsRefused, match=r"^There is no model 'unheard_of' to pull"):
        pull_in_own_process(options, is_shown=is_shown)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("10%\r20%", "`topfive pull` ended with exit code -9. 20%"),
        ("Traceback\nMemoryError\n", "`topfive pull` ended with exit code -9. MemoryError"),
        ("", "`topfive pull` ended with exit code -9."),
    ],
)
def test_a_pull_that_is_killed_is_tried_again(tmp_path, monkeypatch, said, reason):
    """Without a report nobody knows what was wrong, so it may help to try again."""
    done = subprocess.CompletedProcess([], -9, "", said)
    monkeypatch.setattr(reports, "run_child", lambda *_, **__: done)
    with pytest.raises(BundleMissing) as refused:
        pull_in_own_process(_options(tmp_path, "mobilenet_v2"))
    assert str(refused.value) == reason


def test_without_torch_nothing_of_ones_own_is_waited_for(tmp_path, monkeypatch):
    """An official bundle may yet be copied here; weights of one's own are never made into one."""
    monkeypatch.setattr(pull_process, "find_spec", lambda _: None)
    with pytest.raises(BundleMissing, match=r"requirements-torch\.txt"):
        pull_in_own_process(_options(tmp_path, "mobilenet_v2"))
    with pytest.raises(WeightsRefused, match=r"requirements-torch\.txt"):
        pull_in_own_process(_options(tmp_path, "mobilenet_v2", "birds.pth"))
