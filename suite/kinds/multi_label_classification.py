"""Any number of classes for one text, or for a pair of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from suite.kinds import _texts
from suite.kinds._multi_label import MultiLabel
from suite.spec import TaskSpec

if TYPE_CHECKING:
    from suite.data import Prepared, Split, TaskData


class MultiLabelClassification(MultiLabel):
    """Text in, some of the classes out (topics, emotions, kinds of toxicity)."""

    modality = "text"
    auto = "AutoModelForSequenceClassification"
    needs = ("text", "labels")
    takes = ("text_pair",)
    metrics = ("f1_micro", "f1_macro", "exact_match", "label_ranking_average_precision")
    main = "f1_micro"

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse empty and missing texts, then labels that cannot be used."""
        _texts.check(task, data, ("text", "text_pair"))
        super().check(task, data)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Tokenise, cut at `max_length` tokens (the longer text of a pair first) and count the cuts."""
        labels = self.targets(split, classes)
        return _texts.prepare(split, labels, labels.astype(float).tolist(), processor, max_length)

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that pads a batch to its own longest row."""
        return _texts.collate(processor)


KIND = MultiLabelClassification()
