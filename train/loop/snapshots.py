"""Earlier checkpoints of a run, kept beside the last: adversarial training may go wrong after hours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from layoutrt.errors import LayoutRTError
from layoutrt.train.checkpoint import ENCODER_FILE, GENERATOR_FILE, SNAPSHOTS_FOLDER, STATE_FILE


def keep_snapshot(run: Path, step: int, count: int) -> None:
    """Keep the checkpoint in ``run`` as ``checkpoints/STEP``, and no more than the last ``count`` of them.

    Checkpoints are replaced and never changed, so a link to a file keeps it; it takes no time and, until the
    next checkpoint, no room.

    Raises:
        LayoutRTError: the folder cannot be written.
    """
    folder = run / SNAPSHOTS_FOLDER
    snapshot = folder / f"{step:08d}"
    try:
        snapshot.mkdir(parents=True, exist_ok=True)
        for name in (STATE_FILE, GENERATOR_FILE, ENCODER_FILE):
            if (run / name).is_file():
                _link(run / name, snapshot / name)
        for old in sorted(folder.iterdir())[:-count]:
            shutil.rmtree(old)
    except OSError as error:
        raise LayoutRTError(
            f"cannot keep the checkpoint {snapshot}: {error.strerror or error}; make room or lower --keep"
        ) from error


def _link(file: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    try:
        os.link(file, copy)
    except OSError:
        # A file system without links.
        shutil.copyfile(file, copy)
