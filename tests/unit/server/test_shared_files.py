"""Where workers share files: in memory where there is room, never so that memory runs full."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from topfive.cache.limits import LEAST_BYTES
from topfive.cache.shared_memory import SharedMemoryStore
from topfive.errors import SettingsError
from topfive.server.shared_files import shared_files
from topfive.settings import Settings

MIB = 1024 * 1024
module = sys.modules[shared_files.__module__]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Let `memory` and `disk` be the places there are; returns how much each has free."""
    import prometheus_client  # noqa: F401 - now, so that other tests keep values in memory

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    free = {}
    for name in ("memory", "disk"):
        (tmp_path / name).mkdir()
        free[tmp_path / name] = 1 << 40
    monkeypatch.setattr(module, "MEMORY_DIR", tmp_path / "memory")
    monkeypatch.setattr(module, "gettempdir", lambda: str(tmp_path / "disk"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "disk"))
    monkeypatch.setattr(
        module, "disk_usage", lambda folder: SimpleNamespace(free=free[Path(folder)])
    )
    return lambda name, free_bytes: free.__setitem__(tmp_path / name, free_bytes)


def with_cache(**more):
    """Make settings with a cache of 64 MiB."""
    return Settings(rate_limit="", cache_bytes=64 * MIB, **more)


def test_a_cache_is_in_memory_and_gone_afterwards(places, tmp_path):
    """Its files are made before there are workers."""
    with shared_files(with_cache()) as complete:
        assert complete.cache_dir is not None
        assert complete.cache_dir.parent == tmp_path / "memory"
        assert {path.name for path in complete.cache_dir.iterdir()} == {
            "topfive-answers.mdb", "topfive-answers.mdb-lock", "topfive-answers.claims",
            "topfive-answers.boot",
        }  # fmt: skip
        assert (complete.cache_dir / "topfive-answers.mdb").stat().st_size < MIB
    assert list((tmp_path / "memory").iterdir()) == []


def test_a_cache_that_memory_has_no_room_for_is_on_disk_and_that_is_told(places, tmp_path, capsys):
    """Whoever runs it in a container learns how to give it memory."""
    places("memory", 64 * MIB)
    with shared_files(with_cache()) as complete:
        assert complete.cache_dir is not None
        assert complete.cache_dir.parent == tmp_path / "disk"
    told = capsys.readouterr()
    assert "cache_on_disk" in told.out + told.err
    assert "can take 16 MiB" in told.out + told.err


def test_a_cache_that_has_room_nowhere_stops_the_start(places):
    """Full memory would end processes."""
    places("memory", 64 * MIB)
    places("disk", 100 * MIB)
    with (
        pytest.raises(SettingsError, match=r"TOPFIVE_CACHE_BYTES is 64 MiB.*--shm-size"),
        shared_files(with_cache()),
    ):
        pass


def test_a_cache_can_be_kept_in_a_folder_of_ones_own(places, tmp_path):
    """Its answers are there at the next start."""
    settings = Settings(rate_limit="", cache_bytes=LEAST_BYTES, cache_dir=tmp_path / "own")
    with shared_files(settings):
        store = SharedMemoryStore(tmp_path / "own", LEAST_BYTES)
        store.put(bytes(32), b"entry")
        store.close()
    with shared_files(settings):
        store = SharedMemoryStore(tmp_path / "own", LEAST_BYTES)
        assert store.get(bytes(32)) == b"entry"
        store.close()


def test_a_folder_of_ones_own_that_is_no_database_is_made_one(places, tmp_path):
    """It stops no start, and what else is in the folder stays."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "topfive-answers.mdb").write_text("no database")
    (tmp_path / "own" / "data.mdb").write_text("somebody's own")
    with shared_files(with_cache(cache_dir=tmp_path / "own")) as complete:
        assert complete.cache_dir == tmp_path / "own"
        store = SharedMemoryStore(tmp_path / "own", LEAST_BYTES)
        assert store.put(bytes(32), b"entry").is_kept
        store.close()
    assert (tmp_path / "own" / "data.mdb").read_text() == "somebody's own"


def test_without_a_cache_there_is_no_folder_for_one(places):
    """Nothing is made that nobody asked for."""
    with shared_files(Settings(rate_limit="")) as complete:
        assert complete.cache_dir is None
