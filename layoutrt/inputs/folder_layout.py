"""Folders in which a data set keeps its images, label maps and instance maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from layoutrt.errors import LayoutRTError
from layoutrt.inputs.entry import Entry
from layoutrt.inputs.files import IMAGE_SUFFIXES, is_image


@dataclass(frozen=True)
class FolderLayout:
    """Folders below a data set's root and how the files of one sample are named in them.

    A label or instance map is a PNG whose stem is the image's with one ending replaced by another.
    ``{split}`` in a folder stands for a split; folders without it hold files that serve as every split.

    Attributes:
        images, labels, instances: folders below the root; ``instances`` is empty where there are none.
        image_ending, label_ending, instance_ending: ends of the stems.
        nested: whether the files lie one folder deeper, in folders of equal names on all sides (cities).
        split_names: what the data set calls ``train`` and ``val``.
    """

    images: str
    labels: str
    instances: str = ""
    image_ending: str = ""
    label_ending: str = ""
    instance_ending: str = ""
    nested: bool = False
    split_names: dict[str, str] = field(default_factory=lambda: {"train": "train", "val": "val"})

    def folder(self, root: Path, part: str, split: str) -> Path:
        """Path of ``part``, one of this class's folders, for a split."""
        return root / part.format(split=self.split_names[split])

    def holds(self, root: Path, split: str) -> bool:
        """True where ``root`` has the folders of images and of label maps for a split."""
        return all(self.folder(root, part, split).is_dir() for part in (self.images, self.labels))

    def entries(self, root: Path, split: str) -> list[Entry]:
        """The samples of a split, sorted by the image's path.

        Instance maps are taken where they are: either every image has one or none has.

        Raises:
            LayoutRTError: no images, an image without its label map, or only some with an instance map.
        """
        folder = self.folder(root, self.images, split)
        images = sorted(path for path in folder.glob("*/*" if self.nested else "*") if self._is_image(path))
        if not images:
            raise LayoutRTError(
                f"{folder} holds no images; put {', '.join(IMAGE_SUFFIXES)} files"
                f"{f' named *{self.image_ending}' if self.image_ending else ''} there"
            )
        exists = _existence()
        labels = [self._beside(root, split, image, self.labels, self.label_ending) for image in images]
        _check(images, labels, exists, "label map")
        if not self.instances:
            return [Entry(*pair) for pair in zip(images, labels, strict=True)]
        instances = [
            self._beside(root, split, image, self.instances, self.instance_ending) for image in images
        ]
        if not any(exists(path) for path in instances):
            return [Entry(*pair) for pair in zip(images, labels, strict=True)]
        _check(images, instances, exists, "instance map, though others have one")
        return [Entry(*three) for three in zip(images, labels, instances, strict=True)]

    def _is_image(self, path: Path) -> bool:
        return is_image(path) and path.stem.endswith(self.image_ending)

    def _beside(self, root: Path, split: str, image: Path, part: str, ending: str) -> Path:
        relative = image.relative_to(self.folder(root, self.images, split))
        stem = image.stem.removesuffix(self.image_ending)
        return self.folder(root, part, split) / relative.parent / f"{stem}{ending}.png"


def _existence() -> Callable[[Path], bool]:
    """A test for files that lists each folder once: asking for every file takes long on network drives."""

    @cache
    def names(folder: Path) -> frozenset[str]:
        return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()

    return lambda path: path.name in names(path.parent)


def _check(images: list[Path], maps: list[Path], exists: Callable[[Path], bool], what: str) -> None:
    for image, path in zip(images, maps, strict=True):
        if not exists(path):
            raise LayoutRTError(f"{image} has no {what}; expected {path}")
