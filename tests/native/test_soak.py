"""Sessions and pipelines do not grow as they run; ``make soak`` runs twenty times as many frames."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from layoutrt import native_library
from layoutrt.models import resolve_model

HERE = Path(__file__).parent
INCLUDE = HERE.parents[1] / "runtime" / "native" / "include"


def test_memory_stays_flat_over_many_frames(
    compiler: Callable[..., str], run_program: Callable[..., str], tmp_path: Path
) -> None:
    library = native_library.operator_library()
    run_program(
        [
            compiler("g++", "c++", flags=["-std=c++17"]),
            "-std=c++17",
            f"-I{INCLUDE}",
            HERE / "soak.cpp",
            library,
            f"-Wl,-rpath,{library.parent}",
            "-o",
            tmp_path / "soak",
        ]
    )
    frames = os.environ.get("LAYOUTRT_SOAK_FRAMES", "1000")
    print(run_program([tmp_path / "soak", resolve_model("camvid-edge"), resolve_model("camvid-seg"), frames]))
