"""The benchmark compares like with like and says what it measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import candidates
from benchmarks.__main__ import SECTIONS
from benchmarks.candidates import compare
from benchmarks.document import stamp, write_sections
from benchmarks.edge_generator import Growth
from benchmarks.growth_plot import draw
from benchmarks.live_video import measure
from benchmarks.operators import operator_pairs
from benchmarks.paper_generator import arguments
from benchmarks.rows import less_is_better, more_is_better, write_json
from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import colorize, label_set
from layoutrt.models import resolve_model
from layoutrt.train.checkpoint import save_generator


@pytest.mark.parametrize("index", range(8))
def test_both_sides_of_an_operator_compute_the_same(index, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(candidates, "WARM_UP", 0)
    pair = operator_pairs(tmp_path, side=32)[index]
    costs = compare(pair.specs, threads=2, rounds=1)
    np.testing.assert_allclose(costs["ours"].result, costs["theirs"].result, rtol=1e-3, atol=2e-3)
    assert all(cost.ms > 0 and cost.peak_mb > 10 for cost in costs.values())


def test_the_published_formulation_gives_the_image_of_the_exported_file(
    tiny_generator, tiny_model, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(candidates, "WARM_UP", 0)
    checkpoint, inputs = tmp_path / "g.safetensors", tmp_path / "inputs.npz"
    camvid = label_set("camvid")
    save_generator(checkpoint, tiny_generator.state_dict(), tiny_generator.config, camvid, {})
    labels = np.kron(np.arange(12, dtype=np.uint8).reshape(1, 3, 4), np.ones((1, 32, 24), np.uint8))[:, :64]
    np.savez(inputs, labels=labels)
    specs = {
        "published": {"kind": "published", "checkpoint": str(checkpoint), "inputs": str(inputs)},
        "ours": {"kind": "native", "model": str(tiny_model), "inputs": str(inputs)},
    }
    costs = compare(specs, threads=1, rounds=1)
    gray = ((costs["published"].result + 1) * 127.5).transpose(0, 2, 3, 1)
    assert np.abs(gray - costs["ours"].result).max() <= 0.51


@pytest.mark.parametrize("side", ["pipeline", "serial"])
def test_both_sides_of_the_live_benchmark_render_what_they_segment(side) -> None:
    measured = measure(side, threads=1, seconds=0.3)
    assert measured.images_per_s > 0
    assert measured.latency_p50_ms > 0
    assert measured.segmented == measured.rendered


def test_a_video_comes_to_the_same_in_a_pipeline_and_in_turn(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(candidates, "WARM_UP", 0)
    camvid = label_set("camvid")
    frames = np.stack([colorize(Drive(camvid, 64, 64).frame(index), camvid) for index in range(3)])
    np.savez(tmp_path / "frames.npz", frames=frames)
    names = {"segmenter": "camvid-seg", "generator": "camvid-edge"}
    models = {role: str(resolve_model(name)) for role, name in names.items()}
    spec = {"kind": "video", "frames": str(tmp_path / "frames.npz"), **models}
    specs = {name: {**spec, "overlap": name == "pipeline"} for name in ("pipeline", "in turn")}
    costs = compare(specs, threads=2, rounds=1, warm_up_runs=0)
    assert costs["pipeline"].result.shape == (64, 64, 3)
    assert (costs["pipeline"].result == costs["in turn"].result).all()


def test_a_candidate_that_fails_ends_the_benchmark() -> None:
    with pytest.raises(LayoutRTError, match=r"missing\.onnx"):
        compare({"ours": {"kind": "native", "model": "missing.onnx", "inputs": ""}}, threads=1, rounds=1)


def test_the_paper_generators_layout_is_seeded() -> None:
    first, again, other = arguments(0), arguments(0), arguments(1)
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["labels"] != other["labels"]).any()
    assert first["labels"].shape == (1, 256, 256)


def test_rows_are_written_as_json(tmp_path) -> None:
    rows = [
        less_is_better("a / b", 2.0, 6.0, "ms", "ratio >= 2"),
        more_is_better("c / d", 60.0, 30.0, "frames/s"),
    ]
    write_json(tmp_path / "bench.json", rows)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert set(written) == {"machine", "rows"}
    assert [row["ratio"] for row in written["rows"]] == [3.0, 2.0]
    assert set(written["rows"][0]) == {"name", "ours", "theirs", "unit", "ratio", "target"}


def test_growth_is_drawn(tmp_path) -> None:
    pytest.importorskip("matplotlib", reason="the plot needs the dev extra")
    points = [Growth(s, t, s * s / 1e4 / t, 60 + s / 10) for t in (1, 2) for s in (128, 256)]
    draw(points, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


DOCUMENT = """# Benchmarks

Prose.

## The shipped generator, 192x256

| ours / theirs | ours | theirs | unit | ratio | target |
|---|---|---|---|---|---|
| old | 1 | 2 | ms | 2.00x |  |

Prose after.

## C API

| ours / theirs | ours | theirs | unit | ratio | target |
|---|---|---|---|---|---|
| kept | 1 | 2 | ms | 2.00x |  |
"""


def test_tables_of_the_document_are_replaced_and_dated_and_its_prose_stays(tmp_path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(DOCUMENT)
    rows = [less_is_better("new", 2.0, 6.0, "ms", "ratio >= 2")]
    for measured in (stamp(20), "Measured again."):
        write_sections(document, {"edge": rows}, measured)
    text = document.read_text()
    heads = "| ours / theirs | ours | theirs | unit | ratio | target |\n|---|---|---|---|---|---|\n"
    assert text == DOCUMENT.replace(
        DOCUMENT[DOCUMENT.index("| ours") : DOCUMENT.index("\n\nProse after")],
        f"Measured again.\n\n{heads}| new | 2 | 6 | ms | 3.00x | ratio >= 2 |",
    )
    assert "layoutrt 0." in stamp(20)
    with pytest.raises(LayoutRTError, match="Video"):
        write_sections(document, {"video": rows}, "Measured now.")


def test_the_projects_document_has_a_table_for_every_section(tmp_path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text((Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text())
    rows = [less_is_better("new", 2.0, 6.0, "ms")]
    write_sections(document, dict.fromkeys(SECTIONS, rows), "Measured now.")
    assert document.read_text().count("| new | 2 | 6 | ms | 3.00x |  |") == len(SECTIONS)
