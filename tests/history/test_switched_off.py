"""Without a database in the settings there is no history, and nothing of one is loaded."""

from pathlib import Path

from tests.live_server import run_server
from tests.pictures import jpeg


def test_nothing_is_loaded_and_nothing_is_named(tmp_path: Path) -> None:
    """No process has SQLAlchemy in its memory, and no prediction has an id."""
    with run_server(tmp_path, model="digits") as server:
        answer = server.upload(jpeg())
        assert (answer.status, answer.headers["X-Prediction-ID"]) == (200, None)
        for pid in (server.process.pid, *server.worker_pids()):
            assert "sqlalchemy" not in Path(f"/proc/{pid}/maps").read_text()
