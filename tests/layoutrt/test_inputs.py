"""Every command on every form of input that docs/commands.md has in its tables."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.inputs import IMAGE_SUFFIXES, DriveFrames, find_frames, find_layouts, parse_drive
from layoutrt.layouts import colorize, label_set, write_layout
from layoutrt.models import resolve_checkpoint, resolve_model

DOCUMENT = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
SIZE = (64, 96)
TAKEN = "the inputs were taken"

GENERATOR, SEGMENTER = "{generator}", "{segmenter}"
"""The models that data are given to."""

MODELS = {
    "info FILE": "info {}",
    "synthesize MODEL": "synthesize {} drive:1 --out out",
    "demo --generator": "demo --generator {} --source drive:1 --sink null",
    "demo --segmenter": "demo --segmenter {} --generator {generator} --source frames --sink null --frames 1",
    "studio --generator": "studio --generator {} --port 0",
    "calibrate MODEL": "calibrate {} --data drive:1 --out out.onnx",
    "calibrate --segmenter": "calibrate {generator} --segmenter {} --data drive:1 --out out.onnx",
    "sensitivity MODEL": "sensitivity {} --data drive:1 --out out",
    "sensitivity --segmenter": "sensitivity {generator} --segmenter {} --data drive:1 --out out",
    "verify A": "verify {} {} --data drive:1",
    "verify B": "verify {} {} --data drive:1",
    "verify --segmenter": "verify {generator} {generator} --segmenter {} --data drive:1",
    "evaluate MODEL": "evaluate {} --data root --limit 2 --batch 2",
    "evaluate --segmenter": "evaluate {generator} --segmenter {} --data root --limit 2",
    "profile MODEL": "profile {} --input drive:1",
    "estimate MODEL": "estimate {} --device orin-nano-8gb",
    "export CHECKPOINT": "export {} --out out.onnx",
    "build-engine MODEL": "build-engine {} --out out.engine",
    "train --teacher": "train --data root --out run --size 64x96 --width 4 --hidden 8 --teacher {}",
}
"""Command lines that give each argument of the first table a model."""

OF_SEGMENTERS = ("demo --segmenter", "calibrate --segmenter", "sensitivity --segmenter", "verify --segmenter")
SEGMENTERS = (*OF_SEGMENTERS, "evaluate --segmenter", "export CHECKPOINT")
"""Arguments that name a segmenter; `export` takes both, and only one ships as a checkpoint."""

DATA = {
    "synthesize INPUT": "synthesize {generator} {} --resize --out out",
    "demo --source": "demo --generator {generator} --source {} --sink null --frames 1",
    "demo --source labels:": "demo --generator {generator} --source labels:{} --sink null --frames 1",
    "studio --source": "studio --generator {generator} --segmenter {segmenter} --source {} --port 0",
    "calibrate --data, generators": "calibrate {generator} --data {} --out out.onnx",
    "calibrate --data, segmenters": "calibrate {segmenter} --data {} --out out.onnx",
    "sensitivity --data, generators": "sensitivity {generator} --data {} --out out",
    "sensitivity --data, segmenters": "sensitivity {segmenter} --data {} --out out",
    "verify --data, generators": "verify {generator} {generator} --data {}",
    "verify --data, segmenters": "verify {segmenter} {segmenter} --data {} --size 64x96",
    "profile --input, generators": "profile {generator} --input {}",
    "profile --input, segmenters": "profile {segmenter} --input {} --size 64x96",
    "evaluate --data": "evaluate {generator} --data {}",
    "train --data": "train --data {} --out run --size 64x96 --width 4 --hidden 8",
    "train-segmenter --data": "train-segmenter --data {} --out run --size 32x32",
}
"""Command lines that give each argument of the second table data."""

READS_IMAGES = ("demo --source", "studio --source")

STOPS = (
    ("layoutrt.calib.measured_model.measure", ("calibrate", "sensitivity")),
    ("layoutrt.runtime.studio.server.make_server", ("studio",)),
    ("layoutrt.runtime.profiling.profile.specification", ("profile",)),
    ("layoutrt.export.engine.build.engine_inputs", ("build-engine",)),
    ("layoutrt.train.loop.run.batch_keys", ("train",)),
    ("layoutrt.train.segmenter.run.SegmenterTrainer", ("train-segmenter",)),
)
"""Functions that slow commands call once their inputs are read; they end there: the rest has other tests."""


def table(heading: str) -> list[tuple[str, str, str]]:
    """Row, column and cell of the table below a heading."""
    part = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"
    ]
    return [
        (row[0].replace("`", ""), column, cell)
        for row in lines[2:]
        for column, cell in zip(lines[0][1:], row[1:], strict=True)
    ]


@pytest.fixture
def taken(cli, monkeypatch) -> Callable[[str], bool]:
    """True where a command line takes its inputs; if not, it must say so in one sentence."""

    def stop(*_arguments: object, **_options: object) -> None:
        raise LayoutRTError(TAKEN)

    def run(line: str) -> bool:
        arguments = shlex.split(line)
        for target, commands in STOPS:
            if arguments[0] in commands:
                monkeypatch.setattr(target, stop)
        outcome = cli(*arguments, *(("--threads", 1) if arguments[0] in ("demo", "verify") else ()))
        if outcome.code == 0 or TAKEN in outcome.err:
            return True
        errors = [text for text in outcome.err.splitlines() if not text.startswith("warning: ")]
        assert outcome.code == 1, (line, outcome)
        assert len(errors) == 1, (line, outcome)
        assert errors[0].startswith("error: "), (line, outcome)
        return False

    return run


def write_split(folder: Path, count: int = 2, *, damaged: bool = False) -> None:
    """Layouts of the drive in ``labels/``, their colors in ``images/``; damaged ones hold no picture."""
    camvid = label_set("camvid")
    (folder / "images").mkdir(parents=True)
    for index in range(count):
        layout = Drive(camvid, *SIZE).frame(index * 40)
        name = f"{index}.png"
        write_layout(folder / "labels" / name, layout, camvid)
        cv2.imwrite(str(folder / "images" / name), colorize(layout, camvid)[..., ::-1])
        if damaged:
            for part in ("labels", "images"):
                (folder / part / name).write_bytes(b"\x89PNG damaged")
    for part in ("labels", "images"):
        # As macOS leaves them on foreign disks.
        for name in (".DS_Store", "._0.png", "._0.jpg"):
            (folder / part / name).write_bytes(b"no picture")


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_checkpoint: Path
) -> dict[str, Path | str]:
    """A folder with data and models in every form, by the names of the tables' columns."""
    folder = tmp_path_factory.mktemp("inputs")
    for name, damaged in (("root", None), ("val", "train"), ("train", "val")):
        for split in ("train", "val"):
            write_split(folder / name / split, damaged=split == damaged)
    shutil.copytree(folder / "root" / "val" / "images", folder / "frames")
    for run, file, checkpoint in (
        ("run", "generator.safetensors", tiny_checkpoint),
        ("segmenter-run", "segmenter.safetensors", resolve_checkpoint("camvid-seg")),
    ):
        (folder / run).mkdir()
        shutil.copy(checkpoint, folder / run / file)
    return {"folder": folder, GENERATOR: tiny_model, SEGMENTER: resolve_model("camvid-seg")}


@pytest.fixture(scope="module")
def trt_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A model as `build-engine` takes it."""
    from layoutrt.calib.calibrate import calibrate

    out = tmp_path_factory.mktemp("trt") / "model.trt.onnx"
    calibrate(tiny_model, "drive:1", out, target="tensorrt", precision="fp16", threads=1)
    return out


def filled(template: str, value: object, place: dict[str, Path | str]) -> str:
    """A command line with its argument and the models in their places."""
    line = template
    for name in (GENERATOR, SEGMENTER):
        line = line.replace(name, str(place[name]))
    return line.replace("{}", str(value))


@pytest.mark.parametrize(("row", "form", "cell"), table("Models"))
def test_a_command_takes_the_models_that_the_table_says(
    taken, place, tmp_path, monkeypatch, request, row, form, cell
) -> None:
    folder = Path(place["folder"])
    monkeypatch.chdir(tmp_path)
    for name in ("root", "frames"):
        (tmp_path / name).symlink_to(folder / name)
    is_segmenter = row in SEGMENTERS
    model = {
        "shipped": "camvid-seg" if is_segmenter else "camvid-edge",
        "ONNX": place[SEGMENTER if is_segmenter else GENERATOR],
        "checkpoint": resolve_checkpoint("camvid-seg")
        if is_segmenter
        else folder / "run/generator.safetensors",
        "run": folder / ("segmenter-run" if is_segmenter else "run"),
    }[form]
    if (row, form) == ("build-engine MODEL", "ONNX"):
        model = request.getfixturevalue("trt_model")
    if (row, form) == ("info FILE", "run"):
        shutil.copytree(folder / "run", tmp_path / "run")
        with safe_open(folder / "run/generator.safetensors", "numpy") as generator:
            state = {**generator.metadata(), "layoutrt.kind": "training"}
        save_file({"step": np.zeros(1)}, tmp_path / "run/training.safetensors", state)
        model = tmp_path / "run"
    assert taken(filled(MODELS[row], model, place)) == (cell == "yes")


@pytest.mark.parametrize(("row", "form", "cell"), table("Data"))
def test_a_command_takes_the_data_that_the_table_says(
    taken, place, tmp_path, monkeypatch, row, form, cell
) -> None:
    folder = Path(place["folder"])
    monkeypatch.chdir(tmp_path)
    part = "images" if "segmenters" in row or row in READS_IMAGES else "labels"
    # Of a data set's root, the split that must not be read is damaged.
    source = {
        "drive:": "drive:",
        "drive:N": "drive:2",
        "drive:@SEED": "drive:@3",
        "drive:N@SEED": "drive:2@3",
        "file": folder / "root/val" / part / "0.png",
        "folder": folder / "root/val" / part,
        "split": folder / "root/val",
        "data set": folder / {"val": "val", "train": "train"}.get(cell, "root"),
    }[form]
    assert taken(filled(DATA[row], source, place)) == (cell != "no")


def test_every_command_is_in_the_document() -> None:
    import typer

    from layoutrt.cli import app

    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"`{name} " in DOCUMENT or f"`{name}`" in DOCUMENT, name
    assert {row for row, _, _ in table("Models")} == set(MODELS)
    assert {row for row, _, _ in table("Data")} == set(DATA)


def test_the_document_names_the_suffixes_that_are_read() -> None:
    named = DOCUMENT.split("Images are ")[1].split(" files")[0]
    assert tuple(re.findall(r"`(\.\w+)`", named)) == IMAGE_SUFFIXES


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".webp", ".tif", ".tiff", ".ppm"])
@pytest.mark.parametrize("row", [row for row in DATA if "segmenters" in row or row == "demo --source"])
def test_every_command_reads_every_kind_of_image(taken, place, tmp_path, monkeypatch, row, suffix) -> None:
    monkeypatch.chdir(tmp_path)
    image = np.full((*SIZE, 3), 90, np.uint8)
    (tmp_path / "only").mkdir()
    cv2.imwrite(str(tmp_path / "only" / f"street{suffix}"), image)
    assert taken(filled(DATA[row], "only", place))


@pytest.mark.parametrize("row", DATA)
@pytest.mark.parametrize("name", ["empty", "absent", "notes.txt", "drive:x", "drive:0"])
def test_what_holds_no_data_is_refused_in_one_sentence(
    taken, place, tmp_path, monkeypatch, row, name
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "._0.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    assert not taken(filled(DATA[row], name, place))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("drive:", DriveFrames(None, None)),
        ("drive:12", DriveFrames(12, None)),
        ("drive:@0", DriveFrames(None, 0)),
        ("drive:12@7", DriveFrames(12, 7)),
        ("street", None),
    ],
)
def test_a_drive_is_parsed(text, found) -> None:
    assert parse_drive(text) == found


@pytest.mark.parametrize(
    "text", ["drive:0", "drive:-1", "drive:x", "drive:3@", "drive:@x", "drive:3@4@5", "drive: 3"]
)
def test_another_drive_is_refused_with_the_forms_there_are(text) -> None:
    with pytest.raises(LayoutRTError, match=rf"'{text}' is not a drive; use drive:, drive:N"):
        parse_drive(text)


def test_data_of_publishers_are_paired_by_their_names(tmp_path) -> None:
    from tests.support.pairs_on_disk import write_cityscapes

    write_cityscapes(tmp_path, "train", {"aachen": 1})
    write_cityscapes(tmp_path, "val", {"ulm": 2, "bonn": 1})
    frames = find_frames(tmp_path, "val")
    assert [frame.image.parent.name for frame in frames] == ["bonn", "ulm", "ulm"]
    assert [frame.labels for frame in frames] == find_layouts(tmp_path, "val")
    assert all(str(frame.labels).endswith("_gtFine_labelIds.png") for frame in frames)
    assert len(find_frames(tmp_path, "train")) == 1


def test_a_data_set_without_the_split_says_which_it_has(tmp_path) -> None:
    write_split(tmp_path / "train")
    with pytest.raises(LayoutRTError, match=r"has no val split; give .*train to use the split it has"):
        find_layouts(tmp_path, "val")


@pytest.mark.parametrize(
    "line",
    [
        "info camvid-edge",
        "doctor",
        "estimate camvid-edge --device orin-nano-8gb",
        "demo --generator {generator} --source drive:2 --sink null",
        "synthesize {generator} drive:1 --out out",
        "verify {generator} {generator} --data drive:1",
        "evaluate {generator} --data root --limit 2",
    ],
)
def test_json_goes_to_a_file_or_alone_to_standard_output(cli, place, tmp_path, monkeypatch, line) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "root").symlink_to(Path(place["folder"]) / "root")
    arguments = shlex.split(filled(line, "", place))
    printed = cli(*arguments, "--json", "-")
    assert printed.code == 0, printed
    written = cli(*arguments, "--json", "made/result.json")
    assert written.code == 0, written
    assert "result.json" in written.out
    assert json.loads(printed.out).keys() == json.loads((tmp_path / "made/result.json").read_text()).keys()
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["result.json"]


def test_json_does_not_overwrite_what_is_read(refuses, tiny_model, tmp_path) -> None:
    model = shutil.copy(tiny_model, tmp_path / "model.onnx")
    before = model.read_bytes()
    refuses(("info", model, "--json", model), "--json", "would overwrite")
    assert model.read_bytes() == before
