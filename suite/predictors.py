"""Kept weights -> what they answer to rows, as the model did on the day that it was trained.

    predictor = load(Path("results/records/3f/3f9c...-1/weights"))
    predictor.predict({"text": ["a fine day", "a dull one"]}).predictions   ->   ["good", "bad"]

Rows need no labels. The folder says all that is needed; an adapter and a probe also need their base checkpoint.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from suite import artifacts, hub, kinds, layouts, models, processors, strategies
from suite.artifacts import About
from suite.data import Prepared, Split
from suite.kinds import Kind
from suite.outputs import Outputs
from suite.spec import CheckpointRef, Precision, Record, SuiteError
from suite.strategies import Adapted

NAMED = ("class", "labels", "tags")
"""Targets whose classes are the names of a model's outputs."""


@dataclass(frozen=True)
class Answers:
    """What a model says of rows: predictions as the per-example table has them, and fp32 scores, one each a row."""

    predictions: list[str]
    scores: list[np.ndarray]


@dataclass(frozen=True)
class Predictor:
    """Kept weights in memory. `about` says what they are and `kind` which columns it reads."""

    about: About
    kind: Kind
    processor: Any
    outputs: Callable[[Prepared], Outputs]

    def predict(self, rows: Split | Mapping[str, list[Any]]) -> Answers:
        """Return the answers to rows under the kind's own column names; labels are not looked at.

        Raises:
            SuiteError: a column that the kind reads is not there.
        """
        return self.answer(self.prepare(rows))

    def prepare(self, rows: Split | Mapping[str, list[Any]]) -> Prepared:
        """Return rows as the model takes them.

        Raises:
            SuiteError: a column that the kind reads is not there.
        """
        split = rows if isinstance(rows, Split) else _unlabelled(rows, self.kind, self.about)
        return self.kind.prepare(split, self.about.classes, self.processor, self.about.max_length)

    def answer(self, rows: Prepared) -> Answers:
        """Return the answers to rows that were prepared."""
        predictions, scores = self.kind.decode(self.outputs(rows), rows)
        return Answers(self.kind.shown(predictions, self.about.classes), [np.asarray(row) for row in scores])


def load(folder: Path, device: str = "cpu", base: CheckpointRef | None = None) -> Predictor:
    """Return what predicts with the weights in a folder.

    Args:
        folder: as `keep` wrote it, in the store or anywhere else.
        device: `cpu` or `cuda`.
        base: the checkpoint that was adapted, where its name alone does not say where it lies.

    Raises:
        SuiteError: the folder holds no kept weights, or they or the base checkpoint cannot be loaded.
    """
    about = artifacts.read_about(folder)
    artifacts.refuse_pickles(folder)
    hub.check_folder(folder.name, folder)
    kind, strategy = kinds.get(about.kind), strategies.get(about.strategy)
    whole = strategy.keeps == "model"
    source = _as_checkpoint(folder) if whole else (base or about.base)
    source = source.model_copy(update={"modality": kind.modality})
    processor, _ = processors.load(source, kind.modality, about.max_length)
    n_outputs = kind.n_outputs(about.classes)
    kept = strategies.Kept(
        folder=folder,
        settings=about.settings,
        build=functools.partial(models.load, source, n_outputs, about.init_seed, kind.auto, kind.loss),
        auto=kind.auto if about.auto else None,  # the kind's own: the file may be a stranger's
        collate=kind.collate(processor),
        per_token=kind.per_token,
        n_outputs=n_outputs,
        precision=about.precision,
        device=device,
    )
    return Predictor(about, kind, processor, strategy.restore(kept))


def _as_checkpoint(folder: Path) -> CheckpointRef:
    """Return a folder of kept weights as the checkpoint that it is, whatever its name."""
    return CheckpointRef(name=folder.name, revision=hub.hash_folder(folder), folder=str(folder))


def _unlabelled(columns: Mapping[str, list[Any]], kind: Kind, about: About) -> Split:
    """Return rows with labels that mean nothing in the place of those that are not there."""
    column, blank = _blank(columns, kind, about)
    for name in kind.needs:
        if name != column and name not in columns:
            raise SuiteError(
                f"{about.kind} reads {', '.join(n for n in kind.needs if n != column)}; '{name}' is missing."
            )
    count = len(next(iter(columns.values())))
    return Split("input", {**columns, column: blank}, [str(row) for row in range(count)])


def _blank(columns: Mapping[str, list[Any]], kind: Kind, about: About) -> tuple[str, list[Any]]:
    """Return the column that holds what a kind is to predict, and cells for it."""
    count = len(next(iter(columns.values())))
    if kind.target == "tags":
        return "tags", [[about.classes[0]] * len(words) for words in columns.get("tokens", [])]
    by_target: dict[str, tuple[str, Any]] = {
        "class": ("label", next(iter(about.classes), "")),
        "labels": ("labels", []),
        "number": ("score", 0.0),
        "text": ("answers", {"text": [], "answer_start": []}),
    }
    column, cell = by_target[kind.target]
    return column, [cell] * count


def describe(record: Record, kind: Kind) -> About:
    """Return what is to be said beside the weights of a record's run."""
    spec: Any = record.spec
    source = models.open_source(spec.checkpoint)
    by_what: dict[str | None, artifacts.Library] = {"adapter": "peft", "head": "safetensors"}
    library: Any = by_what.get(strategies.get(spec.strategy).keeps, source.library)
    auto = kind.auto if source.library == "transformers" else None
    classes: Any = record.data["classes"]
    length: Any = record.training["max_length"]
    return About(
        library=library,
        load=layouts.how(library, auto),
        auto=auto,
        base=spec.checkpoint,
        init_seed=record.seeds["init"],
        strategy=spec.strategy,
        settings=spec.settings,
        task=record.task,
        kind=record.task_spec.kind,
        classes=tuple(classes),
        max_length=length,
        precision=_precision(record, reads=library == "safetensors"),
        key=record.key,
    )


def _precision(record: Record, reads: bool) -> Precision:
    """Return what a model answered in; a protocol that names bf16 itself means training, not frozen features."""
    return "fp32" if reads and record.spec.protocol.precision == "bf16" else record.precision


def keep(adapted: Adapted, about: About, folder: Path) -> None:
    """Write what was trained for a task into a folder, with all that it takes to use it.

    Raises:
        SuiteError: nothing that outlives the run was trained.
        OSError: the folder cannot be written.
    """
    if adapted.save is None:
        raise SuiteError(f"{about.strategy} keeps no weights.")
    try:
        adapted.save(about.task, folder)
    except SafetensorError as error:  # its word for a full disk
        raise OSError(str(error)) from error
    if strategies.get(about.strategy).keeps == "model":
        layouts.save_processor(models.open_source(about.base), folder)
    artifacts.write_about(about, folder)
