"""Images as a checkpoint's transform takes them: what the kinds that read images share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from suite import limits, prepared
from suite.data import Prepared
from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from suite.data import Split, TaskData
    from suite.processors import Transform

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
    """Images as float32 arrays [channels, height, width], decoded on first use; large ones are kept in files.

    `nbytes` is what they take in memory so far.
    """

    def __init__(self, contents: list[bytes], learned: list[Any], transform: Callable[[Image], np.ndarray]) -> None:
        self._contents, self._learned, self._transform = contents, learned, transform
        self._kept: dict[int, np.ndarray] = {}
        self._cut = _Cut.of(contents, transform)
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._contents)

    def __getitem__(self, row: Any) -> Any:
        pixels = self._kept.get(row)
        if pixels is None:
            pixels = self._read(row)
            if self.nbytes + pixels.nbytes <= KEPT_BYTES:
                self._kept[row] = pixels
                self.nbytes += pixels.nbytes
        return {"pixel_values": pixels, "labels": self._learned[row]}

    def _read(self, row: int) -> np.ndarray:
        found = self._cut.read(row) if self._cut else None
        return self._transform(_open(self._contents[row])) if found is None else found

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(len(self)))


class _Cut:
    """Images resized and cropped, in files of `prepared.ROWS` rows; made when one of them is asked for."""

    def __init__(self, contents: list[bytes], transform: Transform, how: str) -> None:
        self._contents, self._transform, self._how = contents, transform, how
        self._parts: dict[int, np.ndarray | None] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, contents: list[bytes], transform: Any) -> _Cut | None:
        """Return images that are worth files: large ones, whose transform has two parts; None of others."""
        cuts: Callable[[Image], str | None] | None = getattr(transform, "about", None)
        if cuts is None or len(contents) < prepared.LEAST_IMAGES or not prepared.most_bytes():
            return None
        try:
            first = limits.open_picture(contents[0], MAX_PIXELS)
            large = first.width * first.height >= prepared.LEAST_PIXELS
            how = cuts(first.convert("RGB")) if large else None
        except Exception:  # what is wrong with a stranger's image is told when it is asked for
            return None
        return None if how is None else cls(contents, transform, how)

    def read(self, row: int) -> np.ndarray | None:
        """Return the numbers of an image, None where its file cannot be made of equal images."""
        number, place = divmod(row, prepared.ROWS)
        with self._lock:
            if number not in self._parts:
                self._parts[number] = self._part(number)
        part = self._parts[number]
        return None if part is None else self._transform.finish(part[place].copy())  # the map is read-only

    def _part(self, number: int) -> np.ndarray | None:
        """Return the bytes of the images of a file, uint8 [rows, ...], made now if they are not there."""
        import numpy as np

        contents = self._contents[number * prepared.ROWS : (number + 1) * prepared.ROWS]
        at = prepared.address("images", {"how": self._how}, contents)
        found = prepared.find(at)
        if found is not None:
            return found["pixels"]
        pixels = [self._transform.cut(_open(content)) for content in contents]
        if len({(one.shape, one.dtype.str) for one in pixels}) > 1:
            return None
        made = {"pixels": np.stack(pixels)}
        prepared.keep(at, made)
        return (prepared.find(at) or made)["pixels"]


def _open(content: bytes) -> Image:
    return limits.open_picture(content, MAX_PIXELS).convert("RGB")


def _fault(content: bytes) -> str | None:
    """Return what is wrong with an image; a JPEG is read to its end, but not at its full size, which takes longer."""
    try:
        picture = limits.open_picture(content, MAX_PIXELS)
        picture.draft("RGB", (1, 1))
        picture.convert("RGB")
    except Exception as error:  # Pillow's decoders raise many types on a stranger's bytes
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return None
