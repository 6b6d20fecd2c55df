"""Fixtures of the tests of the demo and the studio."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from layoutrt.layouts import label_set

if TYPE_CHECKING:
    from layoutrt.train.networks.generator import Generator

LATENT = 16


@pytest.fixture(scope="session")
def tiny_latent_model(make_generator: Callable[..., Generator], made_once: Callable[..., Path]) -> Path:
    """A generator of CamVid's classes with a latent of 16, 64x96, with random weights."""
    from layoutrt.export.onnx_export.to_onnx import export_onnx
    from layoutrt.train.checkpoint import save_generator

    def make(folder: Path) -> None:
        camvid = label_set("camvid")
        generator = make_generator(camvid.num_classes, latent=LATENT)
        checkpoint = folder / "generator.safetensors"
        save_generator(checkpoint, generator.state_dict(), generator.config, camvid, {"made_by": "the tests"})
        export_onnx(checkpoint, folder / "latent.onnx", size=(64, 96), compare=False)

    return made_once("latent", make) / "latent.onnx"


class RunningStudio:
    """A studio in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self.port = int(address.rstrip("/").rpartition(":")[2])
        self._log = log

    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture(scope="session")
def run_studio(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., contextmanager]:  # type: ignore[type-arg]
    """Runs the studio, or another command that serves: ``with run_studio("--generator", path) as studio``."""

    @contextmanager
    def run(*options: object, command: str = "studio") -> Iterator[RunningStudio]:
        pytest.importorskip("fastapi")
        pytest.importorskip("uvicorn")
        log = tmp_path_factory.mktemp("studio") / "log"
        arguments = [sys.executable, "-m", "layoutrt", command, *map(str, options)]
        with log.open("w") as stderr:
            process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=stderr, text=True, env=os.environ
            )
        assert process.stdout is not None
        try:
            address = None
            for line in process.stdout:
                if match := re.search(r"http://\S+", line):
                    address = match[0]
                    break
            assert address is not None, log.read_text()
            yield RunningStudio(process, address, log)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=20)
            process.stdout.close()

    return run
