"""One class for one image."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from suite.data import Prepared
from suite.kinds._classification import SingleLabel
from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from suite.data import Split, TaskData

MAX_PIXELS = 64_000_000
KEPT_BYTES = 1_000_000_000
"""Decoded images are kept in memory up to this many bytes a split; beyond, they are decoded again."""


class ImageClassification(SingleLabel):
    """Image in, class out."""

    modality = "image"
    auto = "AutoModelForImageClassification"
    needs = ("image", "label")

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Open every image once, so that a broken one is named before anything is trained."""
        for split in data.splits:
            for row, content in enumerate(split.columns["image"]):
                if reason := _fault(content):
                    raise SuiteError(
                        f"{task.where('columns', 'image')}: row {row} of the {split.name} split is no usable image: "
                        f"{reason}. Remove or replace it."
                    )
        super().check(task, data)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Decode and transform images by the checkpoint's own evaluation transform, as they are asked for."""
        labels = self.targets(split, classes)
        return Prepared(_Images(split.columns["image"], labels, processor), labels, [1] * len(split), split.ids)

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that stacks a batch."""

        def stack(items: list[dict[str, Any]]) -> dict[str, Any]:
            import numpy as np
            import torch

            pixels = torch.from_numpy(np.stack([item["pixel_values"] for item in items]))
            return {"pixel_values": pixels, "labels": torch.tensor([item["labels"] for item in items])}

        return stack


class _Images(Sequence[dict[str, Any]]):
    """Images as float32 arrays [channels, height, width], decoded on first use."""

    def __init__(self, files: list[bytes], labels: np.ndarray, transform: Callable[[Image], np.ndarray]) -> None:
        self._files, self._labels, self._transform = files, labels, transform
        self._kept: dict[int, np.ndarray] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: Any) -> Any:
        pixels = self._kept.get(row)
        if pixels is None:
            pixels = self._transform(_open(self._files[row]))
            if self._bytes + pixels.nbytes <= KEPT_BYTES:
                self._kept[row] = pixels
                self._bytes += pixels.nbytes
        return {"pixel_values": pixels, "labels": int(self._labels[row])}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(len(self)))


def _open(content: bytes) -> Image:
    from PIL import Image

    image = Image.open(io.BytesIO(content))
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"it has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are read")
    return image.convert("RGB")


def _fault(content: bytes) -> str | None:
    try:
        _open(content)
    except Exception as error:  # Pillow's decoders raise many types on a stranger's bytes
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return None


KIND = ImageClassification()
