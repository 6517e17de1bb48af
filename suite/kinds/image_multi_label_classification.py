"""Any number of classes for one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from suite.kinds import _images
from suite.kinds._multi_label import MultiLabel
from suite.spec import TaskSpec

if TYPE_CHECKING:
    from suite.data import Prepared, Split, TaskData


class ImageMultiLabelClassification(MultiLabel):
    """Image in, some of the classes out (what is to be seen). Its main metric is VOC's mean average precision."""

    modality = "image"
    auto = "AutoModelForImageClassification"
    needs = ("image", "labels")
    metrics = ("average_precision", "f1_micro", "f1_macro", "exact_match", "label_ranking_average_precision")
    main = "average_precision"

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse images that cannot be opened, then labels that cannot be used."""
        _images.check(task, data)
        super().check(task, data)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Decode and transform images as they are asked for."""
        labels = self.targets(split, classes)
        return _images.prepare(split, labels, labels.astype(float).tolist(), processor)

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that stacks a batch."""
        return _images.collate


KIND = ImageMultiLabelClassification()
