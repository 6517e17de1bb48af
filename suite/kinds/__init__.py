"""Task kinds, one file each: what a task's rows are, how a model reads them, what its logits mean.

A kind knows no strategy. `get("text_classification")` imports `suite/kinds/text_classification.py`
and returns its `KIND`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from suite import plugins
from suite.spec import Modality, SuiteError, TaskSpec

if TYPE_CHECKING:
    import torch

    from suite.data import Prepared, Split, TaskData
    from suite.outputs import Outputs


Target = Literal["class", "labels", "number", "tags", "text"]

GROUP = "group"
"""A column that every kind takes: rows of one group stay together when rows are resampled."""


class Kind(ABC):
    """What every kind owns. Classes are stateless and light to import: torch is loaded in methods.

    `auto` is the auto class of transformers that has the head; `needs` and `takes` are the columns;
    `target` says what labels and predictions are: a class index, a 0/1 a class, a number, a tag a word,
    or a text. `per_token` says that the head answers for every token, so that outputs are ragged.
    """

    modality: Modality
    auto: str
    target: Target
    per_token: bool = False
    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    metrics: tuple[str, ...]
    main: str
    delta: float = 0.01

    def complete(self, task: TaskSpec) -> TaskSpec:
        """Return the task with the kind's metrics, main metric and delta where it leaves them out.

        Raises:
            SuiteError: a column that the kind needs is not named, or one is named that it ignores.
        """
        known = [*self.needs, *self.takes, GROUP]
        for column in self.needs:
            if column not in task.columns:
                raise SuiteError(
                    f"{task.where('columns')}: {task.kind} needs the column '{column}'; add "
                    f"'{column}: <name in the data set>' to columns. Known: {', '.join(known)}."
                )
        for column in task.columns:
            if column not in known:
                raise SuiteError(
                    f"{task.where('columns', column)}: {task.kind} has no column '{column}'. Known: {', '.join(known)}."
                )
        main = task.main or (task.metrics[0] if task.metrics else self.main)
        metrics = task.metrics or self.metrics
        if main not in metrics:
            metrics = (main, *metrics)
        return task.model_copy(update={"main": main, "metrics": metrics, "delta": task.delta or self.delta})

    @abstractmethod
    def classes(self, task: TaskSpec, data: TaskData) -> tuple[str, ...]:
        """Return the class names in the order of the logits.

        Raises:
            SuiteError: the rows are not what the kind needs; the message names split and row.
        """

    @abstractmethod
    def check(self, task: TaskSpec, data: TaskData) -> None:
        """Look at every row of a task before anything is trained on it.

        Raises:
            SuiteError: a row cannot be used; the message names split and row.
        """

    @abstractmethod
    def prepare(self, split: Split, classes: Sequence[str], processor: Any, max_length: int) -> Prepared:
        """Turn rows into model inputs with a checkpoint's own processor."""

    def targets(self, split: Split, classes: Sequence[str]) -> Any:
        """Return what `prepare` gives as labels, from the rows alone; None where a row may have several items or words.

        Raises:
            SuiteError: a row has a label that is no class.
        """
        return None

    @abstractmethod
    def collate(self, processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Return the function that makes one batch of tensors from a list of items."""

    def n_outputs(self, classes: Sequence[str]) -> int:
        """Return how many numbers the head gives: one a class, unless the kind says otherwise."""
        return len(classes)

    @abstractmethod
    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch, its mean over rows, from logits in fp32.

        Because it is a mean over rows, a batch can be cut into micro-batches that give the same.
        """

    @abstractmethod
    def decode(self, outputs: Outputs, rows: Prepared) -> tuple[Any, Any]:
        """Return predictions and fp32 scores, one an example, from the outputs of the rows' items."""

    @abstractmethod
    def shown(self, values: Any, classes: Sequence[str]) -> list[str]:
        """Return labels or predictions as the per-example table has them, one text an example."""

    @abstractmethod
    def read(self, texts: Sequence[str], classes: Sequence[str]) -> Any:
        """Return what `shown` showed.

        Raises:
            SuiteError: a text is none that `shown` gives.
        """

    def contradictions(self, predictions: Any, scores: Any) -> int:
        """Return how many predictions are not what their scores say, as far as scores say it all."""
        return 0

    @abstractmethod
    def chance(self, task: TaskSpec, labels: Any, n_classes: int) -> dict[str, float]:
        """Return for each metric the value that guessing gets, as far as it is known."""


def names() -> list[str]:
    """Return the known kinds."""
    return plugins.names("kinds")


def get(name: str) -> Kind:
    """Return a kind by name.

    Raises:
        SuiteError: nobody knows the name.
    """
    kind = plugins.load("kinds", name).KIND
    assert isinstance(kind, Kind)
    return kind
