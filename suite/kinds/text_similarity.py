"""One number for a pair of texts: how alike they are, or whatever else was measured of the pair."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from suite.kinds import Kind, _texts
from suite.spec import SuiteError, TaskSpec

if TYPE_CHECKING:
    import numpy as np
    import torch

    from suite.data import Prepared, Split, TaskData
    from suite.outputs import Outputs


class TextSimilarity(Kind):
    """Two texts in, a number out; there are no classes.

    The head learns the score on the data's own scale, as regression with transformers does (its example for
    STS-B learns 0 to 5 as they are). So predictions and errors read in the data's units. The step size of
    AdamW does not depend on the scale, but how far a head gets in a given number of steps does: scores in
    hundreds are better divided in the data set.
    """

    modality = "text"
    auto = "AutoModelForSequenceClassification"
    target = "number"
    needs = ("text", "text_pair", "score")
    metrics = ("spearman", "pearson", "mean_squared_error", "mean_absolute_error")
    main = "spearman"

    def classes(self, task: TaskSpec, data: TaskData) -> tuple[str, ...]:
        """Return no class; the train split must have two different scores."""
        if len({score for score in data.train.columns["score"] if _is_number(score)}) < 2:
            raise SuiteError(
                f"{task.where('splits', 'train')}: the rows of the train split of {task.name} do not differ in their "
                "score; there is nothing to learn."
            )
        return ()

    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Refuse empty and missing texts, and scores that are no finite numbers or all the same."""
        _texts.check(task, data, ("text", "text_pair"))
        for split in data.splits:
            for row, score in enumerate(split.columns["score"]):
                if not _is_number(score):
                    raise SuiteError(
                        f"{task.where('columns', 'score')}: row {row} of the {split.name} split has {score!r} for "
                        "'score', a regression target that is no number. Remove or fill such rows."
                    )
        self.classes(task, data)

    def targets(self, split: Split, classes: Sequence[str]) -> np.ndarray:
        """Return the score of every row, float64 [n]."""
        import numpy as np

        return np.array(split.columns["score"], dtype=np.float64)

    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Tokenise, cut at `max_length` tokens (the longer text first) and count the cuts."""
        labels = self.targets(split, classes)
        return _texts.prepare(split, labels, labels.tolist(), processor, max_length)

    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return a function that pads a batch to its own longest row."""
        return _texts.collate(processor)

    def n_outputs(self, classes: Sequence[str]) -> int:
        """Return 1."""
        return 1

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error."""
        from torch.nn.functional import mse_loss

        return mse_loss(logits[:, 0], labels)

    def decode(self, outputs: Outputs, rows: Prepared) -> tuple[np.ndarray, np.ndarray]:
        """Return the output as it is: float64 [n], and as fp32 scores [n, 1]."""
        import numpy as np

        scores = np.asarray(outputs, dtype=np.float32)
        return scores[:, 0].astype(np.float64), scores

    def shown(self, values: np.ndarray, classes: Sequence[str]) -> list[str]:
        """Return the shortest text that reads as the same number."""
        return [repr(float(value)) for value in values]

    def read(self, texts: Sequence[str], classes: Sequence[str]) -> np.ndarray:
        """Return the numbers, float64 [n]."""
        import numpy as np

        return np.array([_number(text) for text in texts], dtype=np.float64)

    def contradictions(self, predictions: np.ndarray, scores: Any) -> int:
        """Return how many predictions are not their scores."""
        import numpy as np

        said = np.array(scores, dtype=np.float32)[:, 0].astype(np.float64)
        same = (said == predictions) | (np.isnan(said) & np.isnan(predictions))
        return int((~same).sum())

    def chance(self, task: TaskSpec, labels: Any, n_classes: int) -> dict[str, float]:
        """Return 0 for correlations; the file's word on the main metric."""
        known = {"spearman": 0.0, "pearson": 0.0}
        if task.chance is not None and task.main:
            known[task.main] = task.chance
        return known


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(text: str) -> float:
    """Return the number of a text that `shown` gave: there is one way to write each."""
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if repr(value) != text:
        raise SuiteError(f"'{text}' is no number as the record writes it")
    return value


KIND = TextSimilarity()
