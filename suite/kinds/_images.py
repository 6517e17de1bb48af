"""Images as a checkpoint's transform takes them: what the kinds that read images share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from suite import limits
from suite.data import Prepared
from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from suite.data import Split, TaskData

MAX_PIXELS = limits.MAX_PIXELS
KEPT_BYTES = 1_000_000_000
"""Decoded images are kept in memory up to this many bytes a split; beyond, they are decoded again."""


def check(task: TaskSpec, data: TaskData) -> None:
    """Open every image once, so that a broken one is named before anything is trained.

    Raises:
        SuiteError: one cannot be opened; the message names split and row.
    """
    for split in data.splits:
        for row, content in enumerate(split.columns["image"]):
            if reason := _fault(content):
                raise SuiteError(
                    f"{task.where('columns', 'image')}: row {row} of the {split.name} split is no usable image: "
                    f"{reason}. Remove or replace it."
                )


def prepare(split: Split, labels: np.ndarray, learned: list[Any], processor: Any) -> Prepared:
    """Decode and transform images by the checkpoint's own evaluation transform, as they are asked for.

    `learned` is what the loss is told of each row.
    """
    return Prepared(_Images(split.columns["image"], learned, processor), labels, [1] * len(split), split.ids)


def collate(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack a batch."""
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.stack([item["pixel_values"] for item in items]))
    return {"pixel_values": pixels, "labels": torch.tensor([item["labels"] for item in items])}


class _Images(Sequence[dict[str, Any]]):
    """Images as float32 arrays [channels, height, width], decoded on first use."""

    def __init__(self, files: list[bytes], learned: list[Any], transform: Callable[[Image], np.ndarray]) -> None:
        self._files, self._learned, self._transform = files, learned, transform
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
        return {"pixel_values": pixels, "labels": self._learned[row]}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(len(self)))


def _open(content: bytes) -> Image:
    return limits.open_picture(content, MAX_PIXELS).convert("RGB")


def _fault(content: bytes) -> str | None:
    try:
        _open(content)
    except Exception as error:  # Pillow's decoders raise many types on a stranger's bytes
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return None
