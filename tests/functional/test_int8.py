"""A bundle with an int8 graph, served."""

from pathlib import Path

from tests.functional.start import run_topfive
from tests.live_server import run_server
from tests.pictures import jpeg
from tests.unit.bundle_copies import add_int8_graph, copy_bundle


def test_a_bundle_is_served_in_int8_where_it_is_asked_for(
    tiny_folder: Path, tmp_path: Path
) -> None:
    """It answers, with heatmaps too, and everyone is told in which precision."""
    folder = copy_bundle(tiny_folder, tmp_path / "models" / "tiny" / "2", version="2")
    add_int8_graph(folder)
    found = run_topfive(tmp_path, "doctor", model="tiny", precision="int8")
    assert "openvino int8 agrees with the reference" in found.stdout
    with run_server(tmp_path, model="tiny", precision="int8") as server:
        model = server.get("/info").json["model"]
        assert (model["version"], model["engine"], model["precision"]) == ("2", "openvino", "int8")
        answer = server.upload(jpeg(), "/predict?explain=heatmap")
        assert answer.status == 200
        assert answer.json["heatmap"]["class_id"] == answer.json["predictions"][0]["class_id"]
