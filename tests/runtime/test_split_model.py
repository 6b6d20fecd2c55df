"""Models that keep what they compute of a layout: set it once, render many latents."""

import ctypes
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.export.onnx_export.layout_cache import split_model
from layoutrt.runtime.backends import native_bindings as native
from layoutrt.runtime.session import Session
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed

HEIGHT, WIDTH, LATENT = 64, 96, 16
SEEDS = (0, 1, 2)


def draw_inputs(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "labels": random.integers(0, 4, (1, HEIGHT, WIDTH), np.uint8),
        "instances": random.integers(0, 3, (1, HEIGHT, WIDTH), np.int32),
    }


def latent(seed: int) -> np.ndarray:
    return latent_from_seed(seed, LATENT)[None]


def save_halves(model: onnx.ModelProto, path: Path, **metadata: str) -> Path:
    halves = split_model(model, path)
    properties = {entry.key: entry.value for entry in halves.layout.metadata_props} | metadata
    onnx.helper.set_model_props(halves.layout, properties)
    onnx.save(halves.layout, path)
    onnx.save(halves.render, path.with_name(f"{path.stem}.render.onnx"))
    return path


@pytest.fixture(scope="module")
def split_path(tiny_full_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny_full_model`` in two files."""
    return save_halves(onnx.load(tiny_full_model), tmp_path_factory.mktemp("split") / "model.onnx")


@pytest.fixture(scope="module")
def whole(tiny_full_model: Path):
    with Session(tiny_full_model, threads=1) as session:
        yield session


@pytest.fixture
def split(split_path: Path):
    with Session(split_path, threads=1) as session:
        yield session


def assert_same_image(image: np.ndarray, expected: np.ndarray) -> None:
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).max() <= 1
    assert (image != expected).mean() < 1e-3


def test_a_split_model_looks_and_runs_like_the_whole(split: Session, whole: Session) -> None:
    assert (split.inputs, split.outputs) == (whole.inputs, whole.outputs)
    assert split.backend == f"{whole.backend}, keeps the layout"
    for seed in SEEDS:
        inputs = draw_inputs(seed) | {"z": latent(seed)}
        assert_same_image(split.run(**inputs)["image"], whole.run(**inputs)["image"])


def test_many_latents_are_rendered_of_one_layout(split: Session, whole: Session) -> None:
    layout = draw_inputs(0)
    split.set_layout(**layout)
    images = [split.render(z=latent(seed))["image"] for seed in SEEDS]
    for seed, image in zip(SEEDS, images, strict=True):
        assert_same_image(image, whole.run(**layout, z=latent(seed))["image"])
    assert (images[0] != images[1]).mean() > 0.1
    assert (split.render(z=latent(0))["image"] == images[0]).all()


def test_another_layout_replaces_the_first_whichever_way_it_is_given(split: Session, whole: Session) -> None:
    split.set_layout(**draw_inputs(0))
    split.set_layout(**draw_inputs(1))
    assert_same_image(split.render(z=latent(5))["image"], whole.run(**draw_inputs(1), z=latent(5))["image"])
    split.run(**draw_inputs(2), z=latent(0))
    assert_same_image(split.render(z=latent(5))["image"], whole.run(**draw_inputs(2), z=latent(5))["image"])


def test_a_refused_layout_leaves_the_one_before_it(split: Session) -> None:
    split.set_layout(**draw_inputs(0))
    image = split.render(z=latent(0))["image"]
    with pytest.raises(LayoutRTError, match="'instances' is missing"):
        split.set_layout(labels=draw_inputs(1)["labels"])
    assert (split.render(z=latent(0))["image"] == image).all()


def test_both_parts_count_as_runs_and_are_timed(split: Session) -> None:
    split.set_layout(**draw_inputs(0))
    split.render(z=latent(0))
    split.render(z=latent(1))
    assert split.timings.runs == 3
    assert split.timings.engine_ms > 0


def test_render_needs_a_layout(split: Session) -> None:
    with pytest.raises(LayoutRTError, match="no layout is set; give one to set_layout before render"):
        split.render(z=latent(0))


def test_what_a_part_does_not_take_is_refused(split: Session, whole: Session) -> None:
    layout = draw_inputs(0)
    with pytest.raises(LayoutRTError, match="input 'z' is not for set_layout; give it to render"):
        split.set_layout(**layout, z=latent(0))
    with pytest.raises(LayoutRTError, match="input 'labels' is not for render; give it to set_layout"):
        split.render(labels=layout["labels"], z=latent(0))
    with pytest.raises(LayoutRTError, match="input 'z' is missing"):
        split.render()
    with pytest.raises(LayoutRTError, match=r"must be float32 \[1, 16\]"):
        split.render(z=np.zeros((1, 3), np.float32))
    with pytest.raises(LayoutRTError, match="has no input 'y'"):
        split.set_layout(y=latent(0))
    for call in (lambda: whole.set_layout(**layout), lambda: whole.render(z=latent(0))):
        with pytest.raises(
            LayoutRTError, match="exported with --cache-layout, and this one was not; use run"
        ):
            call()


def test_files_that_do_not_belong_together_are_refused(
    tiny_full_model: Path, split_path: Path, tmp_path: Path
) -> None:
    model = onnx.load(tiny_full_model)
    other = save_halves(model, tmp_path / "model.onnx")
    render = tmp_path / "model.render.onnx"
    onnx.helper.set_model_props(model, {"layoutrt.checkpoint_sha256": "0" * 64})
    onnx.save(split_model(model, other).render, render)
    with pytest.raises(LayoutRTError, match="' are of different exports; copy both files"):
        Session(other)
    render.unlink()
    with pytest.raises(LayoutRTError, match="the other, which is not there; keep both files of an export"):
        Session(other)
    shutil.copy(split_path.with_name("model.render.onnx"), render)
    Session(other).close()


@pytest.mark.parametrize("name", ["../model.render.onnx", "/etc/passwd", "", "..", "a\\b.onnx"])
def test_a_render_half_elsewhere_is_refused(tiny_full_model: Path, tmp_path: Path, name: str) -> None:
    path = save_halves(onnx.load(tiny_full_model), tmp_path / "model.onnx", **{"layoutrt.render_file": name})
    with pytest.raises(LayoutRTError, match="as its render half, which is not a file name"):
        Session(path)


def test_a_layout_half_in_memory_is_refused(split_path: Path) -> None:
    data = split_path.read_bytes()
    onnxruntime = native.onnxruntime_library()
    options = native.SessionOptions(
        ctypes.sizeof(native.SessionOptions), str(onnxruntime).encode() if onnxruntime else None
    )
    handle = ctypes.c_void_p()
    with pytest.raises(
        LayoutRTError, match="one half of a model and the other is a file; open it by the path"
    ):
        native.check(
            native.load().lrt_session_create_from_memory(
                data, len(data), ctypes.byref(options), ctypes.byref(handle)
            )
        )
    assert not handle


def test_a_synthesizer_keeps_the_layout(split_path: Path, tiny_full_model: Path) -> None:
    layout = {name: array[0] for name, array in draw_inputs(0).items()}
    z = latent(3)[0]
    with Synthesizer(split_path, threads=1) as split, Synthesizer(tiny_full_model, threads=1) as whole:
        assert (split.keeps_layout, whole.keeps_layout) == (True, False)
        with pytest.raises(LayoutRTError, match="no layout is set for model model; call set_layout first"):
            split.render_latent(z)
        split.set_layout(**layout)
        assert_same_image(split.render_latent(z), whole.render(**layout, z=z))
        assert split.render_latent(z[None]).shape == (HEIGHT, WIDTH, 3)
        with pytest.raises(LayoutRTError, match="z is float32"):
            split.render_latent(z[:3])
        with pytest.raises(LayoutRTError, match="has the label 9"):
            split.set_layout(np.full((HEIGHT, WIDTH), 9, np.uint8), layout["instances"])
        with pytest.raises(LayoutRTError, match="--cache-layout"):
            whole.set_layout(**layout)


def test_the_render_half_alone_is_no_generator(split_path: Path) -> None:
    with pytest.raises(LayoutRTError, match=r"second file of a model; give the first, .*/model\.onnx"):
        Synthesizer(split_path.with_name("model.render.onnx"))


def test_synthesize_makes_several_images_of_a_layout(
    split_path: Path, tiny_full_model: Path, tmp_path: Path, cli, refuses
) -> None:
    inputs = draw_inputs(0)
    in_file = np.where(inputs["labels"][0] == 3, np.uint8(255), inputs["labels"][0])
    cv2.imwrite(str(tmp_path / "lay.png"), in_file)
    cv2.imwrite(str(tmp_path / "ids.png"), inputs["instances"][0].astype(np.uint8))
    arguments = (tmp_path / "lay.png", "--instances", tmp_path / "ids.png", "--seed", 4, "--seeds", 2)
    images = {}
    for name, model in (("split", split_path), ("whole", tiny_full_model)):
        outcome = cli("synthesize", model, *arguments, "--out", tmp_path / name, "--json", "-")
        assert outcome.code == 0, outcome.err
        files = json.loads(outcome.out)["files"]
        assert [Path(file).name for file in files] == ["lay_4.png", "lay_5.png"]
        images[name] = [cv2.imread(file) for file in files]
    for split_image, whole_image in zip(images["split"], images["whole"], strict=True):
        assert_same_image(split_image, whole_image)
    assert (images["split"][0] != images["split"][1]).mean() > 0.1
    np.save(tmp_path / "z.npy", latent(0))
    refuses(
        ("synthesize", split_path, *arguments, "--z", tmp_path / "z.npy", "--out", tmp_path),
        "leave one of them out",
    )


def test_seeds_are_for_models_with_a_latent(tiny_model: Path, tmp_path: Path, refuses) -> None:
    refuses(("synthesize", tiny_model, "drive:1", "--seeds", 2, "--out", tmp_path), "has no latent")
