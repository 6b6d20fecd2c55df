"""``layoutrt profile`` and ``layoutrt estimate`` on the command line."""

import json

import pytest

from layoutrt.calib.calibrate import calibrate
from layoutrt.runtime.profiling.report import write_json

FEW = ("--iterations", 4, "--warmup", 1, "--threads", 1, "--input", "drive:2")


@pytest.fixture(scope="module")
def tiny_int8(tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("int8") / "model.int8.onnx"
    calibrate(tiny_model, "drive:4", out)
    return out


def test_checkpoint_float_and_8_bits_give_one_table_whatever_they_read(
    cli, tiny_full_model, tiny_int8, tmp_path
) -> None:
    # The first two read instances and a latent, the third neither.
    checkpoint = tiny_full_model.with_name("generator.safetensors")
    files = [tmp_path / name for name in ("p.json", "p.html", "trace.json")]
    written = ("--json", files[0], "--html", files[1], "--trace", files[2])
    outcome = cli("profile", checkpoint, tiny_full_model, tiny_int8, *FEW, "--layers", *written)
    assert outcome.code == 0, outcome.err
    table = outcome.out[outcome.out.index("side by side, 4 rounds of 1 runs") :]
    for model in ("generator (checkpoint) (fp32)", "model (fp32)", "model.int8 (int8)"):
        (line,) = [line for line in table.splitlines() if line.strip().startswith(model)]
        assert line.count("x ") == 1
    content = json.loads(files[0].read_text())
    assert [model["form"] for model in content["models"]] == ["checkpoint", "onnx", "onnx"]
    assert content["models"][0]["backend"].startswith("torch ")
    assert all(file.stat().st_size > 1000 for file in files)
    assert "block 6" in outcome.out


def test_layers_are_shown_by_block_and_a_device_file_is_written(cli, tiny_model, tmp_path) -> None:
    device = tmp_path / "here.toml"
    outcome = cli("profile", tiny_model, *FEW, "--layers", "--device-file", device)
    assert outcome.code == 0, outcome.err
    for words in (
        "engine time by network block",
        "layout pyramid",
        "block 6",
        "the slowest layers",
        "peaks ",
    ):
        assert words in outcome.out
    shown = cli("estimate", tiny_model, "--device", device)
    assert "ESTIMATE, not measured" in shown.out
    assert "expected within" in shown.out


@pytest.mark.parametrize("backend", ["onnxruntime", "bodies"])
def test_other_backends_run_the_same_file(cli, tiny_model, backend) -> None:
    outcome = cli("profile", tiny_model, *FEW, "--backend", backend)
    assert outcome.code == 0, outcome.err
    assert "in Python" in outcome.out


def test_a_recorded_profile_is_shown_again_and_passes_or_fails_the_gate(
    cli, tmp_path, a_recorded_profile
) -> None:
    base, slow = tmp_path / "base.json", tmp_path / "slow.json"
    write_json(base, a_recorded_profile(20.0))
    write_json(slow, a_recorded_profile(25.0))
    assert "20.2" in cli("profile", base).out
    same = cli("profile", base, "--compare", base, "--max-regression", "10%")
    assert same.code == 0
    assert " ok" in same.out
    worse = cli("profile", slow, "--compare", base, "--max-regression", "10")
    assert worse.code == 1
    assert "engine is 24.9% slower than the base" in worse.out
    assert cli("profile", slow, "--compare", base, "--max-regression", "30%").code == 0


def test_wrong_arguments_are_one_sentence(refuses, tiny_model, tmp_path, a_recorded_profile) -> None:
    refuses(("profile", tiny_model, "--iterations", 0), "--iterations 0", "1 or more")
    refuses(("profile", tiny_model, "--max-regression", "ten"), "'ten'", "10%")
    refuses(("profile", "nothing"), "no model 'nothing'")
    refuses(("estimate", tiny_model, "--device", "orin"), "'orin' is not known", "agx-orin-64gb", "rtx-4090")
    refuses(("estimate", tiny_model, "--device", "h200", "--precision", "fp8"), "fp32, fp16, int8")
    other = tmp_path / "other.json"
    write_json(other, a_recorded_profile(20.0))
    other.write_text(other.read_text().replace('"version": 2', '"version": 99', 1))
    refuses(("profile", tiny_model, "--compare", other), "version 99", "version 2")


def test_a_model_without_its_operator_library_is_one_sentence(refuses, tiny_model, monkeypatch) -> None:
    monkeypatch.setenv("LAYOUTRT_LIBRARY", "/nowhere/liblayoutrt.so")
    refuses(("profile", tiny_model, "--iterations", 1), "LAYOUTRT_LIBRARY", "/nowhere")


def test_an_estimate_as_json_says_what_it_is(cli, tiny_model) -> None:
    found = json.loads(cli("estimate", tiny_model, "--device", "orin-nano-8gb", "--json", "-").out)
    assert found["what"] == "estimate"
    assert found["low_ms"] < found["ms"] < found["high_ms"]
    assert found["device"] == "Jetson Orin Nano 8GB"


@pytest.fixture
def a_recorded_profile():
    """Makes a profile by hand of a model that takes so many ms."""
    from layoutrt.runtime.profiling.reference_workload import Peaks
    from layoutrt.runtime.profiling.report import ModelProfile, Profile

    def make(ms: float) -> Profile:
        rounds = list(range(20))
        engine = [ms + 0.01 * number for number in rounds]
        stages = {"call": [0.1] * 20, "copy in": [0.0] * 20, "engine": engine, "copy out": [0.0] * 20}
        model = ModelProfile(
            **dict.fromkeys(("name", "file", "sha256", "form", "kind", "precision", "backend"), "x"),
            size=(192, 256),
            batch=1,
            **dict.fromkeys(("load_ms", "first_ms", "elapsed_ms", "peak_mb", "before_mb"), 10.0),
            growth_mb=0.0,
            warm_up_runs=20,
            steady=True,
            device_mb=None,
            joules=None,
            rounds=rounds,
            started_ms=[30.0 * number for number in rounds],
            total_ms=[time + 0.1 for time in engine],
            stages_ms=stages,
        )
        machine = {"processor": "x", "system": "x", "threads": 2, "cores": 2, "load": 0.0}
        method = {
            "input": "drive:",
            "iterations_per_round": 1,
            "warm_up_runs_per_round": 1,
            "rounds": 20,
            "warm_up": 20,
        }
        sensors = {"before": {}, "after": {}, "energy": None}
        peaks = Peaks(200.0, 700.0, 25.0, 60.0)
        return Profile("2026", {}, machine, method, sensors, [], peaks, [14.0] * 20, [model])

    return make
