"""What multi-label classification of texts and of images shares: any number of classes a row, each yes or no.

    labels: genres                  a column of lists: class names, or indexes where the names are known
    labels: [toxic, insult]         a column a class: 0 or 1; the columns' names are the classes

A row without any class is as good as others.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from suite.kinds import Kind
from suite.kinds._classification import class_name, is_missing, natural
from suite.spec import SuiteError, TaskSpec, unknown

if TYPE_CHECKING:
    import numpy as np
    import torch

    from suite.data import Prepared, Split, TaskData
    from suite.outputs import Outputs

THRESHOLD = 0.5


class MultiLabel(Kind):
    """Any number of classes a row, none among them. A class is predicted where its probability is above 0.5."""

    target = "labels"

    def classes(self, task: TaskSpec, data: TaskData) -> tuple[str, ...]:
        """Return the task's labels, else the columns' or the data set's, else those of the train split, sorted."""
        several = _columns(task)
        named = task.labels or several or data.labels
        if named and len(set(named)) < len(named):
            raise SuiteError(f"{task.where('labels')}: the labels of {task.name} name a class twice.")
        if several and len(several) != len(named or ()):
            raise SuiteError(
                f"{task.where('labels')}: {task.name} names {len(named or ())} labels for {len(several)} columns; "
                "give one a column, or leave labels out, and the columns' names are the classes."
            )
        seen = {name for cell in data.train.columns["labels"] for name in _names(cell, named)}
        if not seen:
            raise SuiteError(
                f"{task.where('splits', 'train')}: no row of the train split of {task.name} has a label; "
                "there is nothing to learn."
            )
        return tuple(named) if named else tuple(sorted(seen, key=natural))

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse rows whose labels cannot be read, and labels that the classes or the train split lack."""
        classes = self.classes(task, data)
        fault = _fault_of_flags if _columns(task) else _fault_of_names
        for split in data.splits:
            for row, cell in enumerate(split.columns["labels"]):
                if why := fault(cell, classes):
                    place = f"{task.where('columns', 'labels')}: row {row} of the {split.name} split"
                    raise SuiteError(f"{place} has the labels {repr(cell)[:200]}. {why}")
        trained = {name for cell in data.train.columns["labels"] for name in _names(cell, classes)}
        for split in data.splits:
            for row, cell in enumerate(split.columns["labels"]):
                if lacking := set(_names(cell, classes)) - trained:
                    raise SuiteError(
                        f"{task.where('splits', split.name)}: row {row} of the {split.name} split has the label "
                        f"'{min(lacking)[:200]}', which no row of the train split has; the model cannot learn it."
                    )

    def targets(self, split: Split, classes: Sequence[str]) -> np.ndarray:
        """Return 1 for every class of every row and 0 elsewhere, int64 [n, k].

        Raises:
            SuiteError: a row has a label that is no class.
        """
        import numpy as np

        index = {name: i for i, name in enumerate(classes)}
        found = np.zeros((len(split), len(classes)), dtype=np.int64)
        for row, cell in enumerate(split.columns["labels"]):
            for name in _names(cell, classes):
                if name not in index:
                    raise SuiteError(
                        f"Row {row} of the {split.name} split has a label that the classes lack: "
                        f"{unknown('label', name, classes)}"
                    )
                found[row, index[name]] = 1
        return found

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the binary cross-entropy, its mean over the classes and then over the rows."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(logits, labels)

    def decode(self, outputs: Outputs, rows: Prepared) -> tuple[np.ndarray, np.ndarray]:
        """Return what is above the threshold [n, k], and the probabilities [n, k]."""
        import numpy as np
        from scipy.special import expit

        scores = expit(np.asarray(outputs, dtype=np.float64)).astype(np.float32)
        return (scores > THRESHOLD).astype(np.int64), scores

    def shown(self, values: np.ndarray, classes: Sequence[str]) -> list[str]:
        """Return a JSON list of class names, in the classes' order, for each row."""
        return [_shown([name for name, flag in zip(classes, row, strict=True) if flag]) for row in values]

    def read(self, texts: Sequence[str], classes: Sequence[str]) -> np.ndarray:
        """Return 0/1 a class, int64 [n, k]."""
        import numpy as np

        found = np.zeros((len(texts), len(classes)), dtype=np.int64)
        for row, text in enumerate(texts):
            with contextlib.suppress(ValueError, TypeError, RecursionError):  # what is no list at all
                names = json.loads(text)
                found[row] = [name in names for name in classes]
            if self.shown(found[row : row + 1], classes) != [text]:
                raise SuiteError(f"'{text}' is no list of the record's classes in their order")
        return found

    def contradictions(self, predictions: np.ndarray, scores: Any) -> int:
        """Return how many rows' predictions are not the classes whose scores are above the threshold."""
        import numpy as np

        likely = np.array(scores, dtype=np.float32) > THRESHOLD
        return int((likely != (np.asarray(predictions) == 1)).any(axis=1).sum())

    def chance(self, task: TaskSpec, labels: Any, n_classes: int) -> dict[str, float]:
        """Return what scores at random get: the mean share of rows a class has, over the classes that rows have.

        What predictions at random get depends on how many they name, so that it is not known.
        """
        import numpy as np

        shares = np.asarray(labels).mean(axis=0)
        known = {"average_precision": float(shares[shares > 0].mean())} if shares.any() else {}
        known["roc_auc"] = 0.5
        if task.chance is not None and task.main:
            known[task.main] = task.chance
        return known


def _columns(task: TaskSpec) -> tuple[str, ...] | None:
    """Return the data set's columns if it has one a class."""
    columns = task.columns["labels"]
    return None if isinstance(columns, str) else columns


def _names(cell: Any, classes: Sequence[str] | None) -> list[str]:
    """Return the class names of a row; what is no list has none."""
    if not isinstance(cell, list):
        return []
    if classes and _is_flags(cell, classes):
        return [name for name, flag in zip(classes, cell, strict=True) if flag]
    return [class_name(value, classes) for value in cell if not is_missing(value)]


def _is_flags(cell: Sequence[Any], classes: Sequence[str]) -> bool:
    """Return whether a cell can only be meant as 0 or 1 a class.

    A list of indexes looks so too where there are one or two classes; `_fault_of_names` refuses those.
    """
    return len(cell) == len(classes) and all(isinstance(flag, int | float) and flag in (0, 1) for flag in cell)


def _fault_of_flags(cell: Any, classes: Sequence[str]) -> str | None:
    fine = isinstance(cell, list) and _is_flags(cell, classes)
    return None if fine else "Expected 0 or 1 in each of the columns."


def _fault_of_names(cell: Any, classes: Sequence[str]) -> str | None:
    if not isinstance(cell, list) or any(is_missing(value) for value in cell):
        return "Expected a list of class names, empty where the row has none."
    if _is_flags(cell, classes):
        return "They could be indexes, or 0 and 1 a class; give class names, or a column of 0 and 1 a class."
    names = [class_name(value, classes) for value in cell]
    strange = next((name for name in names if name not in classes), None)
    if strange is not None:
        return str(unknown("label", strange, classes))
    return "They name a class twice." if len(set(names)) < len(names) else None


def _shown(names: list[str]) -> str:
    return json.dumps(names, ensure_ascii=False)
