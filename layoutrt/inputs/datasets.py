"""Data sets by name, or recognized by their folders."""

from __future__ import annotations

from pathlib import Path

from layoutrt.errors import LayoutRTError
from layoutrt.inputs.drive import refuse_drive
from layoutrt.inputs.entry import Entry
from layoutrt.inputs.folder_layout import FolderLayout

TRAINING, JUDGING = SPLITS = ("train", "val")
"""The splits of a data set: what trains and calibrates, and what is judged, rendered or measured."""

CITYSCAPES = FolderLayout(
    images="leftImg8bit/{split}",
    labels="gtFine/{split}",
    instances="gtFine/{split}",
    image_ending="_leftImg8bit",
    label_ending="_gtFine_labelIds",
    instance_ending="_gtFine_instanceIds",
    nested=True,
)
ADE20K = FolderLayout(
    images="images/{split}",
    labels="annotations/{split}",
    split_names={"train": "training", "val": "validation"},
)
COCO_STUFF = FolderLayout(images="{split}_img", labels="{split}_label", instances="{split}_inst")
SPLIT_FOLDERS = FolderLayout(images="{split}/images", labels="{split}/labels", instances="{split}/instances")
PLAIN_FOLDERS = FolderLayout(images="images", labels="labels", instances="instances")
SEGNET_CAMVID = FolderLayout(images="{split}", labels="{split}annot")

DATASETS: dict[str, tuple[FolderLayout, ...]] = {
    "cityscapes": (CITYSCAPES,),
    "ade20k": (ADE20K,),
    "coco-stuff": (COCO_STUFF,),
    "folders": (SPLIT_FOLDERS, PLAIN_FOLDERS),
    "camvid": (SEGNET_CAMVID, SPLIT_FOLDERS),
}
"""Kinds of data sets, each in the layouts it is found in; CamVid as in the SegNet tutorial or in folders."""


def open_dataset(kind: str, root: str | Path, split: str) -> list[Entry]:
    """The samples of a data set's split, sorted by the image's path.

    Args:
        kind: a key of ``DATASETS``, or ``"auto"`` to go by the names of the folders.
        root: folder of the data set, as its publishers pack it.
        split: ``"train"`` or ``"val"``; a plain pair of ``images/`` and ``labels/`` serves as both.

    Raises:
        LayoutRTError: no such kind or folder, a folder of another kind, no such split, no images, or an image
            without its maps.
    """
    root = Path(root)
    layout = _layout(kind, root)
    if not layout.holds(root, split):
        images, labels = (layout.folder(root, part, split) for part in (layout.images, layout.labels))
        raise LayoutRTError(f"{root} has no {split} split; expected the folders {images} and {labels}")
    return layout.entries(root, split)


def available_splits(kind: str, root: str | Path) -> list[str]:
    """Those of ``SPLITS`` that a data set has.

    Raises:
        LayoutRTError: no such kind or folder, or a folder of another kind.
    """
    layout = _layout(kind, Path(root))
    return [split for split in SPLITS if layout.holds(Path(root), split)]


def published_entries(root: Path, split: str) -> list[Entry] | None:
    """The samples of a data set as its publishers pack it; None for any other path.

    Raises:
        LayoutRTError: it has no such split, no images, or an image without its label map.
    """
    layout = _recognized(root, DATASETS)
    if layout in (None, SPLIT_FOLDERS, PLAIN_FOLDERS):
        return None
    return open_dataset("auto", root, split)


def part_folder(path: Path, part: str, split: str) -> Path:
    """Folder of ``images`` or ``labels`` below the root of a data set or a split; else the path itself.

    Raises:
        LayoutRTError: the path is a root with the other split alone.
    """
    held = [name for name in SPLITS if (path / name / part).is_dir()]
    if held and split not in held:
        raise LayoutRTError(f"{path} has no {split} split; give {path / held[0]} to use the split it has")
    below = path / split / part if held else path / part
    return below if below.is_dir() else path


def _recognized(root: Path, kinds: dict[str, tuple[FolderLayout, ...]]) -> FolderLayout | None:
    for layouts in kinds.values():
        for layout in layouts:
            if any(layout.holds(root, split) for split in SPLITS):
                return layout
    return None


def _layout(kind: str, root: Path) -> FolderLayout:
    refuse_drive(str(root), "give the folder of a data set, with images and labels")
    if kind != "auto" and kind not in DATASETS:
        raise LayoutRTError(f"there is no kind of data set '{kind}'; use auto, {', '.join(DATASETS)}")
    if not root.is_dir():
        raise LayoutRTError(f"{root} is not a folder; give the folder of a data set")
    candidates = DATASETS if kind == "auto" else {kind: DATASETS[kind]}
    found = _recognized(root, candidates)
    if found:
        return found
    wanted = "; or ".join(
        f"{layout.folder(Path(), layout.images, 'train')} and {layout.folder(Path(), layout.labels, 'train')}"
        f" ({name})"
        for name, layouts in candidates.items()
        for layout in layouts
    )
    what = "not a data set of a known kind" if kind == "auto" else f"not a data set of the kind {kind}"
    raise LayoutRTError(f"{root} is {what}; it needs the folders {wanted}")
