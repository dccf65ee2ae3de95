"""Weights are data: whatever else a file holds is refused and never run."""

import base64
import os
import pickle
import threading
import urllib.request
from argparse import Namespace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch
from safetensors.torch import save_file

from topfive.bundles.store import hash_file
from topfive.errors import WeightsRefused, WeightsUnreachable
from topfive.training.weights import convert_to_half, fetch_weights, load_state_dict

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(7)}
HOSTILE = Path(__file__).parents[4] / "shared" / "hostile" / "weights"
# Named tensors and no more: they lie among the attacks so that a scanner may pass them.
HARMLESS = {"tests__data__pytorch_model.bin as .pth"}


class Bomb:
    """Something that runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        """Run the command in place of being made."""
        return os.system, (self.command,)


def _assert_same(found, expected) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_tensors_come_back_as_they_were(tmp_path, suffix):
    """Both kinds of file give the same named tensors."""
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(TENSORS, path)
    _assert_same(load_state_dict(path), TENSORS)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_checkpoints_state_dict_is_taken_out(tmp_path, is_zip):
    """A training checkpoint that wraps its state dict is unwrapped, in old and new files."""
    path = tmp_path / "checkpoint.pth"
    content = {"epoch": 3, "state_dict": TENSORS}
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    _assert_same(load_state_dict(path), TENSORS)


@pytest.mark.parametrize(
    "content",
    [{}, [torch.ones(1)], torch.ones(1), {"a": 1}, {1: torch.ones(1)}, {"epoch": 3}, "text", None],
)
def test_what_is_no_state_dict_is_refused(tmp_path, content):
    """Plain data that is not named tensors is refused."""
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(WeightsRefused, match="does not hold a state dict"):
        load_state_dict(path)


@pytest.mark.parametrize("wrap", [lambda bomb: bomb, lambda bomb: {"a": bomb}])
@pytest.mark.parametrize("save", ["torch", "torch-old", "pickle"])
def test_code_is_refused_and_never_run(tmp_path, wrap, save):
    """A pickle that would run a command is refused, and the command has not been run."""
    path, trace = tmp_path / "evil.pth", tmp_path / "it-was-run"
    content = wrap(Bomb(f"touch {trace}"))
    if save == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=save == "torch")
    with pytest.raises(WeightsRefused, match="not plain weights") as refusal:
        load_state_dict(path)
    assert not trace.exists()
    assert len(str(refusal.value)) <= 300


@pytest.mark.filterwarnings("ignore")
def test_a_whole_module_is_refused(tmp_path):
    """A pickled model, with its classes, is code and not weights."""
    path = tmp_path / "model.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(WeightsRefused, match=r"holds a whole model .*model\.state_dict\(\)"):
        load_state_dict(path)
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    with pytest.raises(WeightsRefused, match="TorchScript"):
        load_state_dict(path)


def test_the_arguments_of_a_training_script_do_no_harm(tmp_path):
    """A checkpoint of torchvision's own scripts holds them beside the weights."""
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": TENSORS, "args": Namespace(lr=0.1), "epoch": 9}, path)
    _assert_same(load_state_dict(path), TENSORS)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\x89HDF\r\n", "Keras"),
    ],
)
def test_what_is_often_taken_for_weights_is_named(tmp_path, content, what):
    """A pointer, a login page and another library's file are told as what they are."""
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsRefused, match=what):
        load_state_dict(path)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x80\x02", b"\xff" * 100])
def test_damaged_files_are_refused(tmp_path, name, content):
    """Noise and cut off files are refused, whatever they are called."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsRefused, match=name):
        load_state_dict(path)


def test_cut_off_weights_are_refused(tmp_path):
    """Real weights that end too early are refused."""
    for name, save in (("a.pth", torch.save), ("a.safetensors", save_file)):
        path = tmp_path / name
        save(TENSORS, path)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(WeightsRefused):
            load_state_dict(path)


def test_a_pickle_called_safetensors_is_refused(tmp_path):
    """A file's name does not open another way in."""
    path, trace = tmp_path / "evil.safetensors", tmp_path / "it-was-run"
    path.write_bytes(pickle.dumps(Bomb(f"touch {trace}")))
    with pytest.raises(WeightsRefused, match="not a safetensors file"):
        load_state_dict(path)
    assert not trace.exists()


def test_a_missing_file_is_told_with_the_setting(tmp_path):
    """The message says which file and which setting."""
    for path in (tmp_path / "gone.pth", tmp_path):
        with pytest.raises(WeightsRefused, match="TOPFIVE_WEIGHTS"):
            load_state_dict(path)


@pytest.mark.filterwarnings("ignore")
def test_known_malicious_files_are_refused(tmp_path, monkeypatch):
    """Every attack of a collection is refused under any suffix, and none leaves a trace."""
    files = sorted(HOSTILE.glob("*")) if HOSTILE.is_dir() else []
    if not files:
        pytest.skip(
            "Malicious weights are not part of the project; put some beside it to run this."
        )
    monkeypatch.chdir(tmp_path)
    loaded = []
    for file in files:
        for suffix in (".pth", ".safetensors"):
            path = tmp_path / f"hostile{suffix}"
            path.write_bytes(file.read_bytes())
            try:
                load_state_dict(path)
            except WeightsRefused:
                continue
            loaded.append(f"{file.name} as {suffix}")
    assert set(loaded) <= HARMLESS
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "hostile.pth",
        "hostile.safetensors",
    ]


def test_a_damaged_list_of_files_is_refused_in_words(tmp_path):
    """One byte wrong in the archive's own list, wherever it is, is told without a traceback."""
    path = tmp_path / "weights.pth"
    torch.save({"layer.weight": torch.zeros(4)}, path)
    whole = path.read_bytes()
    start = whole.index(b"PK\x01\x02")
    refused = 0
    for position in range(start, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            load_state_dict(path)
        except WeightsRefused:
            refused += 1
    assert refused > 20


def test_a_file_that_grows_in_memory_is_refused(tmp_path):
    """A few kilobytes of compressed zeros become no megabytes of tensors."""
    torch.save({"a": torch.zeros(1_000_000)}, tmp_path / "plain.pth")
    with ZipFile(tmp_path / "plain.pth") as plain, ZipFile(tmp_path / "bomb.pth", "w") as bomb:
        for one in plain.infolist():
            bomb.writestr(one.filename, plain.read(one), ZIP_DEFLATED)
    assert load_state_dict(tmp_path / "plain.pth").keys() == {"a"}
    with pytest.raises(WeightsRefused, match="compressed over 10 times"):
        load_state_dict(tmp_path / "bomb.pth")


def test_half_keeps_counters():
    """Floating numbers are rounded to half precision, whole numbers stay what they are."""
    half = convert_to_half({"weight": torch.tensor([0.1]), "count": torch.tensor(123_456_789)})
    assert half["weight"].dtype == torch.float16
    assert half["count"].item() == 123_456_789


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, notes the logins sent, and says nothing."""

    logins: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Note who asks, and answer."""
        self.logins += self.headers.get_all("Authorization", ())
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def web(tmp_path):
    """A folder and the address under which it is served on this machine."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: QuietHandler(*args, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_weights_are_fetched_and_checked(web, tmp_path):
    """What was fetched is what was served; a hash that differs is refused."""
    folder, url = web
    torch.save(TENSORS, folder / "a.pth")
    digest = hash_file(folder / "a.pth")
    for expected in (None, digest[:8]):
        fetched = fetch_weights(f"{url}/a.pth?x=1", tmp_path, expected)
        assert hash_file(fetched) == digest
        _assert_same(load_state_dict(fetched), TENSORS)
    with pytest.raises(WeightsUnreachable, match="TOPFIVE_WEIGHTS"):
        fetch_weights(f"{url}/a.pth", tmp_path, "00000000")


@pytest.mark.filterwarnings("ignore")
def test_a_login_in_an_address_is_sent_and_told_to_nobody(web, tmp_path, monkeypatch):
    """User and password go to the host that they are for, and into no message."""
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setattr(QuietHandler, "logins", [])
    folder, url = web
    torch.save(TENSORS, folder / "a.pth")
    with_login = url.replace("://", "://me:sec%40ret@")
    fetch_weights(f"{with_login}/a.pth", tmp_path)
    sent = base64.b64encode(b"me:sec@ret").decode()
    assert QuietHandler.logins == [f"Basic {sent}"]
    fetch_weights(f"{url.replace('127.0.0.1', 'localhost')}/a.pth", tmp_path)
    assert QuietHandler.logins == [f"Basic {sent}"]
    for address in (f"{with_login}/gone.pth", f"{with_login}/gone a.pth?key=sec%40ret"):
        with pytest.raises((WeightsRefused, WeightsUnreachable)) as refusal:
            fetch_weights(address, tmp_path)
        assert "sec" not in str(refusal.value)


@pytest.mark.filterwarnings("ignore")
def test_weights_that_cannot_be_fetched_are_told(web, tmp_path):
    """A server that is not there may come back; a file that is not there is a wrong address."""
    _, url = web
    with pytest.raises(WeightsUnreachable, match="could not be downloaded"):
        fetch_weights("http://127.0.0.1:9/a.pth", tmp_path)
    with pytest.raises(WeightsRefused, match="the answer is 404"):
        fetch_weights(f"{url}/gone.pth", tmp_path)
    # What torchvision itself names is there: a proxy must have answered.
    with pytest.raises(WeightsUnreachable, match="the answer is 404"):
        fetch_weights(f"{url}/gone.pth", tmp_path, "7ebf99e0")


def test_only_weights_files_are_fetched(tmp_path):
    """A URL that does not end like a weights file is refused before anything is sent."""
    with pytest.raises(WeightsRefused, match=r"\.safetensors"):
        fetch_weights("http://127.0.0.1:9/page.html", tmp_path)
