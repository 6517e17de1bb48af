"""One class for one text, or for a pair of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from suite.data import Prepared
from suite.kinds._classification import SingleLabel
from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    from suite.data import Split, TaskData


class TextClassification(SingleLabel):
    """Text in, class out; `text_pair` makes it a pair (entailment, paraphrase, relation)."""

    modality = "text"
    auto = "AutoModelForSequenceClassification"
    needs = ("text", "label")
    takes = ("text_pair",)

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse empty and missing texts, then what every classification refuses."""
        for split in data.splits:
            for column in [c for c in ("text", "text_pair") if c in split.columns]:
                for row, text in enumerate(split.columns[column]):
                    if not isinstance(text, str) or not text.strip():
                        raise SuiteError(
                            f"{task.where('columns', column)}: row {row} of the {split.name} split has {text!r} for "
                            f"'{column}'; expected a text with at least one letter. Remove or fill such rows."
                        )
        super().check(task, data)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Tokenise, cut at `max_length` tokens (the longer text of a pair first) and count the cuts."""
        texts = split.columns["text"]
        pairs = split.columns.get("text_pair")
        encoded = processor(texts, pairs, truncation=False, verbose=False)
        cut = [i for i, ids in enumerate(encoded["input_ids"]) if len(ids) > max_length]
        if cut:
            encoded = processor(texts, pairs, truncation="longest_first", max_length=max_length)
        columns = list(encoded.keys())
        labels = self.targets(split, classes)
        items = [{name: encoded[name][i] for name in columns} | {"labels": int(labels[i])} for i in range(len(split))]
        lengths = [len(item["input_ids"]) for item in items]
        return Prepared(items, labels, lengths, split.ids, truncated=len(cut))

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that pads a batch to its own longest row."""

        def pad(items: list[dict[str, Any]]) -> dict[str, Any]:
            return dict(processor.pad(items, padding="longest", return_tensors="pt", verbose=False))

        return pad


KIND = TextClassification()
