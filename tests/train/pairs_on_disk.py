"""Writing a small data set of image/label pairs."""

from pathlib import Path

import cv2
import numpy as np

from layoutrt.drive import Drive
from layoutrt.layouts import colorize, label_set, write_layout


def write_pairs(folder: Path, count: int, size: tuple[int, int] = (48, 64)) -> None:
    """Frames of the procedural drive as labels; their colours with a little noise as images."""
    camvid = label_set("camvid")
    drive = Drive(camvid, *size, seed=1)
    random = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    for i in range(count):
        labels = drive.frame(i * 50)
        write_layout(folder / "labels" / f"frame_{i:03d}.png", labels, camvid, color=False)
        noisy = colorize(labels, camvid).astype(int) + random.integers(-20, 20, (*size, 3))
        cv2.imwrite(
            str(folder / "images" / f"frame_{i:03d}.png"), noisy.clip(0, 255).astype(np.uint8)[:, :, ::-1]
        )
