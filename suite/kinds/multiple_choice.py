"""One of several texts that goes with a text: the right answer, the likely ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from suite.data import Prepared
from suite.kinds import _texts
from suite.kinds._classification import SingleLabel
from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    from suite.data import Split, TaskData


class MultipleChoice(SingleLabel):
    """A text and its choices in, the place of one choice out.

    The model reads each pair (text, prefix + choice) and gives it one number; the largest wins. A label is
    a place, counted from 0, or one of the task's `labels` (A, B, C, D; or "1", "2" where the data counts so).
    """

    modality = "text"
    auto = "AutoModelForMultipleChoice"
    needs = ("text", "choices", "label")
    takes = ("prefix",)

    def classes(self, task: TaskSpec, data: TaskData) -> tuple[str, ...]:
        """Return the names that the task or the data set gives the places of the choices, else "0", "1", ..."""
        first = data.train.columns["choices"][0]
        if fault := _fault_of_choices(first):
            raise SuiteError(_row(task, "choices", 0, data.train.name, first, fault))
        named = task.labels or data.labels or tuple(str(place) for place in range(len(first)))
        if len(set(named)) < len(named):
            raise SuiteError(f"{task.where('labels')}: the labels of {task.name} name a choice twice.")
        if len(named) != len(first):
            raise SuiteError(
                f"{task.where('labels')}: {task.name} names {len(named)} labels ({', '.join(named)}) for rows of "
                f"{len(first)} choices; give one a choice, in their order."
            )
        return tuple(named)

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse rows without text, rows with more or fewer choices than the others, and strange labels."""
        classes = self.classes(task, data)
        _texts.check(task, data, ("text",))
        for split in data.splits:
            for row, cell in enumerate(split.columns["choices"]):
                if fault := _fault_of_choices(cell, len(classes)):
                    raise SuiteError(_row(task, "choices", row, split.name, cell, fault))
            for row, cell in enumerate(split.columns.get("prefix", [])):
                if not isinstance(cell, str):  # an empty one is fine: some endings stand alone
                    raise SuiteError(_row(task, "prefix", row, split.name, cell, "expected a text, empty if need be"))
        self.check_labels(task, data, classes)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Tokenise the pairs of each row, cut at `max_length` tokens (the longer text first), count rows with cuts."""
        labels, k = self.targets(split, classes), len(classes)
        prefixes = split.columns.get("prefix", [""] * len(split))
        texts = [_texts.joined(cell) for cell in split.columns["text"] for _ in range(k)]
        pairs = [
            _texts.joined([prefix, choice])
            for prefix, choices in zip(prefixes, split.columns["choices"], strict=True)
            for choice in choices
        ]
        inputs, cut = _texts.encode(processor, texts, pairs, max_length)
        rows = [inputs[start : start + k] for start in range(0, len(inputs), k)]
        items = [
            {name: [choice[name] for choice in row] for name in row[0]} | {"labels": label}
            for row, label in zip(rows, labels.tolist(), strict=True)
        ]
        lengths = [max(len(ids) for ids in item["input_ids"]) for item in items]
        return Prepared(items, labels, lengths, split.ids, truncated=len({place // k for place in cut}))

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that pads a batch to its longest choice: [rows, choices, tokens]."""

        def pad(items: list[dict[str, Any]]) -> dict[str, Any]:
            import torch

            rows = [{name: cell for name, cell in item.items() if name != "labels"} for item in items]
            choices = [dict(zip(row, cells, strict=True)) for row in rows for cells in zip(*row.values(), strict=True)]
            flat = processor.pad(choices, padding="longest", return_tensors="pt", verbose=False)
            inputs = {name: value.unflatten(0, (len(items), -1)) for name, value in flat.items()}
            return inputs | {"labels": torch.tensor([item["labels"] for item in items])}

        return pad


def _fault_of_choices(cell: Any, wanted: int | None = None) -> str | None:
    if not isinstance(cell, list) or len(cell) < 2 or not all(isinstance(choice, str) for choice in cell):
        return "expected a list of at least two texts"
    if wanted is not None and len(cell) != wanted:
        return f"expected {wanted} choices, as many as the first row of the train split has"
    return None


def _row(task: TaskSpec, column: str, row: int, split: str, cell: Any, fault: str) -> str:
    place = f"{task.where('columns', column)}: row {row} of the {split} split"
    return f"{place} has {cell!r} for '{column}'; {fault}. Remove or repair such rows."


KIND = MultipleChoice()
