"""One class for one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from suite.kinds import _images
from suite.kinds._classification import SingleLabel
from suite.spec import TaskSpec

if TYPE_CHECKING:
    from suite.data import Prepared, Split, TaskData


class ImageClassification(SingleLabel):
    """Image in, class out."""

    modality = "image"
    auto = "AutoModelForImageClassification"
    needs = ("image", "label")

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse images that cannot be opened, then what every classification refuses."""
        _images.check(task, data)
        super().check(task, data)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Decode and transform images as they are asked for."""
        labels = self.targets(split, classes)
        return _images.prepare(split, labels, labels.tolist(), processor)

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that stacks a batch."""
        return _images.collate


KIND = ImageClassification()
