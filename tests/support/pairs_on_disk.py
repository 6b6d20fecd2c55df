"""Writing small data sets of images with label maps, in the folders that their publishers use."""

from pathlib import Path

import cv2
import numpy as np

from layoutrt.drive import Drive
from layoutrt.layouts import LabelSet, colorize, label_set, write_layout


def write_pairs(folder: Path, count: int, size: tuple[int, int] = (48, 64)) -> None:
    """Frames of the procedural drive as labels; their colors with a little noise as images."""
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


def write_array(path: Path, array: np.ndarray) -> Path:
    """Write an array as it is, RGB where it has three channels, in the format of the file's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array[:, :, ::-1] if array.ndim == 3 else array)
    return path


def random_labels(labels: LabelSet, seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Class indices in blocks of 8 pixels, uint8 ``[H, W]``; every class of a small set occurs."""
    random = np.random.default_rng(seed)
    height, width = size
    blocks = random.permutation(np.arange(height // 8 * width // 8) % labels.num_classes)
    return blocks.reshape(height // 8, width // 8).repeat(8, 0).repeat(8, 1).astype(np.uint8)


def write_cityscapes(root: Path, split: str, cities: dict[str, int]) -> None:
    """Cities and how many frames each has; instance ids are ``1000 * id + number`` for some pixels."""
    labels = label_set("cityscapes")
    for city, count in cities.items():
        for i in range(count):
            stem = f"{city}_{i:06d}_000019"
            indices = random_labels(labels, i)
            ids = labels.to_file_values(indices)
            instances = ids.astype(np.uint16)
            instances[8:16] = instances[8:16] * 1000 + i
            write_array(
                root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", colorize(indices, labels)
            )
            annotation = root / "gtFine" / split / city
            write_array(annotation / f"{stem}_gtFine_labelIds.png", ids)
            write_array(annotation / f"{stem}_gtFine_instanceIds.png", instances)
            write_array(annotation / f"{stem}_gtFine_color.png", colorize(indices, labels))


def write_ade20k(root: Path, split: str, count: int) -> None:
    """Frames of SceneParsing; ``split`` is ``training`` or ``validation``."""
    labels = label_set("ade20k")
    for i in range(count):
        stem = f"ADE_{split[:5]}_{i:08d}"
        indices = random_labels(labels, i, (128, 96))
        write_array(root / "images" / split / f"{stem}.jpg", colorize(indices, labels))
        write_array(root / "annotations" / split / f"{stem}.png", labels.to_file_values(indices))
