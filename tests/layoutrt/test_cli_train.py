"""Training, importing and exporting from the command line: options arrive, and bad ones are refused."""

import cv2
import numpy as np
import pytest

SMALL = ("--size", "64x64", "--batch", 2, "--width", 2, "--hidden", 4, "--predictor-kernel", 1)
SMALL = (*SMALL, "--discriminator-width", 4, "--steps", 3, "--init-gain", 1, "--device", "cpu")


@pytest.fixture
def pairs(tmp_path):
    """A folder of four pairs, 64x64."""
    folder = tmp_path / "pairs"
    rng = np.random.default_rng(0)
    for part, array in (("images", (64, 64, 3)), ("labels", (64, 64))):
        (folder / part).mkdir(parents=True)
        for index in range(4):
            pixels = rng.integers(0, 256 if part == "images" else 12, array, np.uint8)
            cv2.imwrite(str(folder / part / f"{index}.png"), pixels)
    return folder


def test_a_run_stops_is_described_and_resumes_with_its_own_options(cli, refuses, pairs, tmp_path):
    run = tmp_path / "run"
    start = ("train", "--data", pairs, "--out", run, *SMALL)
    assert cli(*start, "--stop-after", 1).code == 0
    info = cli("info", run, "--json", "-").out
    assert '"what": "training run"' in info
    assert '"generator_width": 2' in info
    assert '"decay_steps": 1' in info
    refuses(start, str(run), "--resume")
    refuses(("train", "--out", run, "--resume", "--width", 3), "generator_width: 2 -> 3")
    moved = pairs.rename(tmp_path / "moved")
    outcome = cli("train", "--data", moved, "--out", run, "--resume", "--width", 2, "--device", "cpu")
    assert outcome.code == 0
    assert str(run / "generator.safetensors") in outcome.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ("--data",)),
        (("--resume",), ("no run to resume",)),
        (("--resume", "--init", "other"), ("--init",)),
        (("--data", "nowhere"), ("nowhere",)),
        (("--data", "pairs", "--device", "tpu"), ("tpu", "auto, cpu or cuda")),
        (("--data", "pairs", "--levels", 9), ("pyramid_levels",)),
        (("--data", "pairs", "--label-set", "marsvid"), ("marsvid", "camvid")),
        (("--data", "pairs", "--size", "big"), ("'big'", "192x256")),
        (("--data", "pairs", "--steps", 0), ("steps",)),
        (("--data", "pairs", "--architecture", "unet"), ("architecture 'unet' is not known",)),
        (("--data", "pairs", "--precision", "int8"), ("precision = int8",)),
        (("--data", "pairs", "--perceptual", "vgg"), ("--perceptual vgg", "vgg:PATH")),
        (("--data", "pairs", "--perceptual", "vgg:no.pth"), ("no.pth",)),
        (("--data", "pairs", "--teacher", "nobody"), ("nobody",)),
        (("--data", "pairs", "--dataset", "imagenet"), ("imagenet", "cityscapes")),
        (("--data", "pairs", "--compile", "--checkpoint-blocks"), ("--compile", "--checkpoint-blocks")),
    ],
)
def test_a_run_that_cannot_start_is_refused(refuses, pairs, monkeypatch, options, words):
    monkeypatch.chdir(pairs.parent)
    refuses(("train", "--out", "run", *options), *words)
    assert list(pairs.parent.iterdir()) == [pairs]


def test_an_image_without_its_label_and_a_folder_without_images_are_refused(refuses, pairs, tmp_path):
    start = ("train", "--data", pairs, "--out", tmp_path / "run")
    (pairs / "labels" / "2.png").unlink()
    refuses(start, "2.png", "no label map")
    for image in (pairs / "images").iterdir():
        image.unlink()
    refuses(start, "images", "no images")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--size", "100x100"), ("100x100", "multiples of 32")),
        (("--size", "large"), ("'large'", "192x256")),
    ],
)
def test_an_export_that_cannot_be_made_is_refused(refuses, tiny_checkpoint, tmp_path, options, words):
    refuses(("export", tiny_checkpoint, "--out", tmp_path / "model.onnx", *options), *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all", b"\x10\0\0\0\0\0\0\0{"])
def test_a_checkpoint_that_cannot_be_read_is_not_exported(refuses, tmp_path, content):
    path = tmp_path / "generator.safetensors"
    if content is not None:
        path.write_bytes(content)
    refuses(("export", path, "--out", tmp_path / "model.onnx"), "generator.safetensors")
    assert not (tmp_path / "model.onnx").exists()


def test_a_file_that_is_no_published_checkpoint_is_not_imported(refuses, tmp_path):
    path = tmp_path / "G.pth"
    refuses(("import-checkpoint", path, "--out", tmp_path / "G.safetensors"), "G.pth")
    path.write_bytes(b"nothing")
    refuses(("import-checkpoint", path, "--out", tmp_path / "G.safetensors"), "G.pth")
    assert not (tmp_path / "G.safetensors").exists()
