"""The commands of docs/demo.md and the program of docs/studio.md run."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import colorize, label_set, write_layout
from layoutrt.runtime.streaming.label_mapping import label_table
from layoutrt.runtime.streaming.video import video_writer

DOCS = Path(__file__).parents[2] / "docs"
CAMVID = label_set("camvid")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / name).read_text(), re.DOTALL | re.MULTILINE)


def test_commands_of_the_demo_run(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layouts = [Drive(CAMVID, 96, 128).frame(index) for index in range(3)]
    (tmp_path / "frames").mkdir()
    with video_writer(tmp_path / "street.mp4", (96, 128), 25) as video:
        for index, layout in enumerate(layouts):
            frame = colorize(layout, CAMVID)
            video.write(frame)
            cv2.imwrite(f"frames/{index}.png", frame[..., ::-1])
            write_layout(tmp_path / "layouts" / f"{index}.png", layout, CAMVID)
    commands = [line for block in blocks("demo.md", "sh") for line in block.splitlines()]
    assert len(commands) >= 5
    for command in commands:
        smaller = command.replace("--frames 240", "--frames 3").replace("drive:100@7", "drive:3@7")
        outcome = cli(*shlex.split(smaller)[1:])
        assert outcome.code == 0, (command, outcome)
    for name in ("drive.mp4", "street.mp4", "steady.mp4", "layouts.mp4", "town7/drive.mp4"):
        assert (tmp_path / "out" / name).stat().st_size > 1000


def test_the_mapping_of_the_demo_fits_cityscapes(tmp_path: Path) -> None:
    (text,) = blocks("demo.md", "toml")
    (tmp_path / "mapping.toml").write_text(text)
    cityscapes = label_set("cityscapes")
    table = label_table(CAMVID, cityscapes, tmp_path / "mapping.toml")
    assert table is not None
    names = [cityscapes.names[index] for index in table[: CAMVID.num_classes]]
    assert dict(zip(CAMVID.names, names, strict=True))["bicyclist"] == "rider"
    assert names.count("static") == 1


def test_the_program_of_the_studio_gets_an_image(run_studio: Callable[..., Any]) -> None:
    pytest.importorskip("websockets")
    (program,) = blocks("studio.md", "python")
    with run_studio("--port", 0) as studio:
        names: dict[str, Any] = {}
        exec(program.replace("127.0.0.1:8000", f"127.0.0.1:{studio.port}"), names)
    assert len(names["rgb"]) == 192 * 256 * 3


def test_files_the_documents_link_to_exist() -> None:
    for name in ("demo.md", "studio.md"):
        for link in re.findall(r"\]\(([^)]+)\)", (DOCS / name).read_text()):
            assert (DOCS / link).exists(), link
            assert os.path.getsize(DOCS / link) < 300_000
