"""A profile of real models."""

import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set, write_layout
from layoutrt.runtime.profiling.inputs import write_inputs
from layoutrt.runtime.profiling.profile import profile
from layoutrt.runtime.profiling.report import END_TO_END
from layoutrt.runtime.profiling.target import find_target, unique_names


@pytest.fixture(scope="module")
def measured(tiny_model, tiny_dynamic_model):
    targets = [find_target(str(tiny_model)), find_target(str(tiny_dynamic_model), (64, 64))]
    return profile(targets, source="drive:3", iterations=20, warm_up=2, threads=1, layers=True)


def test_every_model_is_measured_in_the_same_turns(measured) -> None:
    first, second = measured.models
    assert first.rounds == second.rounds
    assert len(first.total_ms) == 20
    assert len(measured.reference_ms) == len(set(first.rounds)) == measured.method["rounds"]
    assert (first.size, second.size) == ((64, 96), (64, 64))
    assert first.started_ms == sorted(first.started_ms)


def test_stages_add_up_and_end_to_end_is_summed_up(measured) -> None:
    for model in measured.models:
        assert list(model.stages_ms) == ["call", "copy in", "engine", "copy out"]
        for run, total in enumerate(model.total_ms):
            assert sum(times[run] for times in model.stages_ms.values()) == pytest.approx(total)
        total = model.summaries()[END_TO_END]
        assert total.min_ms <= total.p50_ms <= total.p99_ms <= total.max_ms
        assert 0 < model.stage_sum <= 1
        assert model.per_second > 0
        assert model.peak_mb > model.before_mb > 0
        assert model.time_to_first_frame_ms == model.load_ms + model.first_ms


def test_layers_add_up_to_the_run_that_they_were_timed_in(measured) -> None:
    for model in measured.models:
        folded = model.layers
        assert folded is not None
        assert sum(layer.share for layer in folded.layers) == pytest.approx(1)
        # What is between the nodes belongs to no layer; on a busy machine, most of the time may pass there.
        assert 0.05 < folded.sum_ms / folded.profiled_ms <= 1.0


def test_a_pipeline_has_the_stages_of_a_frame() -> None:
    target = find_target("camvid-seg+camvid-edge", (64, 64))
    assert target.name == "camvid-seg+camvid-edge"
    (model,) = profile([target], source="drive:2", iterations=6, warm_up=1, threads=2).models
    names = ["capture", "segment wait", "segment", "synthesis wait", "synthesize", "present"]
    assert list(model.stages_ms) == names
    # Frames overlap only where several follow each other.
    assert len(model.total_ms) == 8 * len(set(model.rounds))
    for run, total in enumerate(model.total_ms):
        parts = [model.stages_ms[name][run] for name in names]
        assert sum(parts) == pytest.approx(total)
        assert parts[2] > 0 < parts[4]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iterations": 0}, "--iterations 0"),
        ({"duration": 0.0}, "--duration 0"),
        ({"duration": float("nan")}, "--duration nan"),
        ({"warm_up": 0}, "--warmup 0"),
        ({"threads": 0}, "--threads 0"),
        ({"backend": "cuda"}, "native, onnxruntime, bodies"),
        ({"source": "drive:x"}, "drive:N"),
        ({"source": "drive:0"}, "not a drive"),
        ({"source": "/no/such/folder"}, "/no/such/folder"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_runs(tiny_model, options, words) -> None:
    with pytest.raises(LayoutRTError, match=words):
        profile([find_target(str(tiny_model))], **options)


def test_models_that_are_none_are_refused(tmp_path, tiny_model, tiny_checkpoint) -> None:
    with pytest.raises(LayoutRTError, match="no model 'nothing'"):
        find_target("nothing")
    with pytest.raises(LayoutRTError, match="64x96 and not 32x32"):
        find_target(str(tiny_model), (32, 32))
    for name, step in (("camvid-edge", 32), ("camvid-seg", 16)):
        with pytest.raises(LayoutRTError, match=f"50x50; give a --size of multiples of {step}"):
            find_target(name, (50, 50))
    with pytest.raises(LayoutRTError, match=r"SEGMENTER\+GENERATOR"):
        find_target("camvid-edge+camvid-seg")
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"")
    with pytest.raises(LayoutRTError, match="has no manifest"):
        find_target(str(engine))
    with pytest.raises(LayoutRTError, match=r"layoutrt\[train\]"):
        profile([find_target(str(tiny_checkpoint))], iterations=1)


def test_models_of_one_name_are_told_apart(tiny_model, tiny_checkpoint) -> None:
    targets = [find_target(str(path)) for path in (tiny_model, tiny_model, tiny_checkpoint)]
    assert unique_names(targets) == ["model", "model (2)", "generator (checkpoint)"]


def test_memory_stays_flat_over_many_runs(tiny_model) -> None:
    target = find_target(str(tiny_model))
    (model,) = profile([target], source="drive:2", iterations=400, warm_up=20, threads=1).models
    assert model.growth_mb < 2


def test_a_profile_is_not_written_over_a_model(tiny_model, tmp_path, refuses) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(tiny_model.read_bytes())
    for option in ("--json", "--html", "--trace", "--device-file"):
        for given in (model, f"camvid-seg+{model}"):
            refuses(("profile", given, option, model), f"{option} {model} would overwrite", "another name")
    assert model.read_bytes() == tiny_model.read_bytes()


def test_inputs_are_spread_over_the_whole_folder(tmp_path, tiny_model) -> None:
    labels = label_set("camvid")
    for index in range(31):
        write_layout(tmp_path / f"{index:02}.png", np.full((64, 96), index // 3, np.uint8), labels)
    write_inputs(find_target(str(tiny_model)), str(tmp_path), tmp_path / "inputs.npz")
    classes = np.load(tmp_path / "inputs.npz")["labels"][:, 0, 0, 0].tolist()
    assert len(classes) == 16
    assert (classes[0], classes[-1]) == (0, 9)
