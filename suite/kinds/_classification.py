"""What text and image classification share: one class a row, the largest logit wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from suite.kinds import Kind
from suite.spec import SuiteError, TaskSpec, unknown

if TYPE_CHECKING:
    import numpy as np
    import torch

    from suite.data import Prepared, Split, TaskData
    from suite.outputs import Outputs


class SingleLabel(Kind):
    """One class a row. Chance is 1/classes, unless the task file says otherwise."""

    target = "class"
    metrics = ("accuracy", "balanced_accuracy", "f1_macro", "matthews_correlation")
    main = "accuracy"

    def classes(self, task: TaskSpec, data: TaskData) -> tuple[str, ...]:
        """Return the task's labels, else the data set's, else those of the train split, sorted."""
        named = task.labels or data.labels
        if named and len(set(named)) < len(named):
            raise SuiteError(f"{task.where('labels')}: the labels of {task.name} name a class twice.")
        seen = {class_name(value, named) for value in data.train.columns["label"] if not is_missing(value)}
        if len(seen) < 2:
            raise SuiteError(
                f"{task.where('splits', 'train')}: the train split of {task.name} has one class only "
                f"({', '.join(seen) or 'none'}); a classification task needs two."
            )
        return tuple(named) if named else tuple(sorted(seen, key=natural))

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse rows without a label and labels that the classes or the train split lack."""
        classes = self.classes(task, data)
        self.check_labels(task, data, classes)
        trained = {class_name(value, classes) for value in data.train.columns["label"]}
        for split in data.splits:
            for row, value in enumerate(split.columns["label"]):
                name = class_name(value, classes)
                if name not in trained:
                    raise SuiteError(
                        f"{task.where('splits', split.name)}: row {row} of the {split.name} split has the label "
                        f"'{name[:200]}', which no row of the train split has; the model cannot learn it."
                    )

    def check_labels(self, task: TaskSpec, data: TaskData, classes: Sequence[str]) -> None:
        """Refuse rows without a label and labels that the classes lack.

        Raises:
            SuiteError: there is such a row; the message names it.
        """
        for split in data.splits:
            for row, value in enumerate(split.columns["label"]):
                name = class_name(value, classes)
                if is_missing(value) or name not in classes:
                    why = "Every row needs one." if is_missing(value) else unknown("label", name[:200], classes)
                    place = f"{task.where('columns', 'label')}: row {row} of the {split.name} split"
                    raise SuiteError(f"{place} has the label {repr(value)[:200]}. {why}")

    def targets(self, split: Split, classes: Sequence[str]) -> np.ndarray:
        """Return the class index of every row, int64 [n].

        Raises:
            SuiteError: a row has a label that is no class.
        """
        import numpy as np

        index = {name: i for i, name in enumerate(classes)}
        named = [class_name(value, classes) for value in split.columns["label"]]
        for row, name in enumerate(named):
            if name not in index:
                raise SuiteError(
                    f"Row {row} of the {split.name} split has a label that the classes lack: "
                    f"{unknown('label', name, classes)}"
                )
        return np.array([index[name] for name in named], dtype=np.int64)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, labels)

    def shown(self, values: np.ndarray, classes: Sequence[str]) -> list[str]:
        """Return class names."""
        return [classes[i] for i in values]

    def read(self, texts: Sequence[str], classes: Sequence[str]) -> np.ndarray:
        """Return class indexes."""
        import numpy as np

        index = {name: i for i, name in enumerate(classes)}
        strange = sorted(set(texts) - index.keys())
        if strange:
            raise SuiteError(f"'{strange[0]}' is none of the record's classes")
        return np.array([index[name] for name in texts], dtype=np.int64)

    def contradictions(self, predictions: np.ndarray, scores: Any) -> int:
        """Return how many predictions are not the class with the highest score."""
        import numpy as np

        best = np.array(scores, dtype=np.float32)
        return int((best[np.arange(len(best)), predictions] < best.max(axis=1)).sum())

    def decode(self, outputs: Outputs, rows: Prepared) -> tuple[np.ndarray, np.ndarray]:
        """Return the argmax [n] and the softmax [n, k]."""
        import numpy as np
        from scipy.special import softmax

        logits = np.asarray(outputs)
        return logits.argmax(axis=1), softmax(logits.astype(np.float64), axis=1).astype(np.float32)

    def chance(self, task: TaskSpec, labels: Any, n_classes: int) -> dict[str, float]:
        """Return what guessing gets: 1/classes, 0 for correlations, the share of a class for its precision.

        The task file's word on the main metric goes first.
        """
        known = {"accuracy": 1 / n_classes, "balanced_accuracy": 1 / n_classes, "matthews_correlation": 0.0}
        known |= {"roc_auc": 0.5} | _precision(labels, n_classes)
        if task.chance is not None and task.main:
            known[task.main] = task.chance
        return known


def _precision(labels: Any, n_classes: int) -> dict[str, float]:
    """Return the mean share of the classes that rows have; of two classes the second says it all."""
    import numpy as np

    shares = np.bincount(labels, minlength=n_classes)[int(n_classes == 2) :] / len(labels)
    return {"average_precision": float(shares[shares > 0].mean())} if shares.any() else {}


def is_missing(value: Any) -> bool:
    """Return whether a cell holds nothing: None, or a number that is none."""
    return value is None or value != value


def class_name(value: Any, names: Sequence[str] | None) -> str:
    """Return a label's class name; a whole number counts as an index where the names are known."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if names and isinstance(value, int) and str(value) not in names and 0 <= value < len(names):
        return names[value]
    return str(value)


def natural(name: str) -> tuple[int, str]:
    """Sort '2' before '10'."""
    return (int(name), "") if name.isdecimal() else (1 << 62, name)
