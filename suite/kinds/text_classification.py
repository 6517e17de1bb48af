"""One class for one text, or for a pair of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from suite.kinds import _texts
from suite.kinds._classification import SingleLabel
from suite.spec import TaskSpec

if TYPE_CHECKING:
    from suite.data import Prepared, Split, TaskData


class TextClassification(SingleLabel):
    """Text in, class out; `text_pair` makes it a pair (entailment, paraphrase, relation)."""

    modality = "text"
    auto = "AutoModelForSequenceClassification"
    needs = ("text", "label")
    takes = ("text_pair",)

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse empty and missing texts, then what every classification refuses."""
        _texts.check(task, data, ("text", "text_pair"))
        super().check(task, data)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Tokenise, cut at `max_length` tokens (the longer text of a pair first) and count the cuts."""
        labels = self.targets(split, classes)
        return _texts.prepare(split, labels, labels.tolist(), processor, max_length)

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that pads a batch to its own longest row."""
        return _texts.collate(processor)


KIND = TextClassification()
