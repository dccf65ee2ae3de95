"""Which GPUs there are, and what torch was built for."""

import pytest

from topfive.machine.gpu import cuda_of_torch, gpu_names


def test_gpus_are_named_by_their_driver(tmp_path):
    """Each GPU is named; without the driver there is none."""
    assert gpu_names(tmp_path / "nothing") == []
    for number in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / number).mkdir()
        text = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 512\n"
        (tmp_path / number / "information").write_text(text)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "information").write_text("IRQ: 1\n")
    assert gpu_names(tmp_path) == ["NVIDIA H100 80GB HBM3"] * 2


@pytest.mark.parametrize(
    ("line", "cuda"),
    [("cuda: Optional[str] = '13.0'", "13.0"), ("cuda: Optional[str] = None", ""), ("", "")],
)
def test_torch_is_looked_at_without_being_imported(tmp_path, monkeypatch, line, cuda):
    """The CUDA version stands in the package's own file, which is read as text."""
    package = tmp_path / "torch_like"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "version.py").write_text(f"__version__ = '2.13.0'\n{line}\nhip = '1'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cuda_of_torch("torch_like") == cuda


def test_a_torch_that_is_not_there_is_told():
    """Without the package the answer is None."""
    assert cuda_of_torch("no_such_torch") is None
