"""Kept weights that answer: texts, pictures or pairs in, labels with probabilities, entities, spans or numbers out.

    model = prediction.open_kept("./results", "3f9c12")     loaded once
    model.predict(["a fine day", "a dull one"]).answers     ->  [Labelled(("good",), {"good": 0.93, "bad": 0.07}), ...]
    model.predict([{"question": "Who?", "context": "It was the cat."}])

The numbers are those of the record, bit for bit on a machine like its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite import artifacts, environment, hub, kept, models, predictors, strategies
from suite.artifacts import About
from suite.prediction._answers import Answer, Entity, Labelled, Number, Span, Tagged, Word, answers, as_json
from suite.prediction._inputs import MAX_PICTURE, MAX_TEXT, Input, Reader
from suite.predictors import Predictor
from suite.spec import CheckpointRef, Record, SuiteError
from suite.store import Store

__all__ = [
    "MAX_PICTURE",
    "MAX_TEXT",
    "Answer",
    "Entity",
    "Input",
    "KeptModel",
    "Labelled",
    "Number",
    "Predictions",
    "Span",
    "Tagged",
    "Word",
    "as_json",
    "open_folder",
    "open_kept",
]


@dataclass(frozen=True)
class Predictions:
    """One answer an input, how long they took, and how many inputs were longer than the model reads."""

    answers: tuple[Answer, ...]
    seconds: float
    cut: int


@dataclass(frozen=True)
class KeptModel:
    """Kept weights in memory: what they are, which inputs they take, and how long they took to load.

    `record` is the run that made them, where they lie in a store.
    """

    predictor: Predictor
    reader: Reader
    record: Record | None
    seconds: float

    @property
    def about(self) -> About:
        """What the weights are."""
        return self.predictor.about

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the outputs."""
        return self.about.classes

    @property
    def modality(self) -> str:
        """`text` or `image`."""
        return self.predictor.kind.modality

    @property
    def columns(self) -> tuple[str, ...]:
        """What every input has; where that is one column alone, an input may be what stands in it."""
        return self.reader.columns

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        """Return an answer to every input.

        Args:
            inputs: a text, a picture's bytes or file, or a mapping of `columns`: `text` and `text_pair`, `question` and
                `context`, `text` and `choices` (and `prefix`), `tokens` (a text, or its words), `image`.

        Raises:
            SuiteError: an input cannot be read; the message says which. Nothing is asked then.
        """
        started = time.perf_counter()
        rows = self.reader.rows(inputs)
        prepared = self.predictor.prepare(rows.columns)
        found = answers(self.predictor, rows, prepared)
        return Predictions(tuple(found), time.perf_counter() - started, prepared.truncated)


def open_kept(
    store: str | Store, key: str, *, bases: Sequence[str] = (), device: str = "auto", threads: int | None = None
) -> KeptModel:
    """Return the kept weights of a record, loaded and compared with their hashes.

    Args:
        store: a folder, an fsspec URL or an open store.
        key: the record's, or at least 6 of its first digits.
        bases: folders of checkpoints, one of which was adapted; the Hub's and bundled ones need none.
        device: auto, cpu or cuda.
        threads: how many to use; all cores by default.

    Raises:
        SuiteError: the key means none or several, nothing was kept, or it cannot be loaded.
    """
    opened = store if isinstance(store, Store) else Store(str(store))
    record = kept.find(opened, key)
    with opened.weights(record.key, record.attempt) as folder:
        if wrong := artifacts.changed(record.artifact, folder):
            raise SuiteError(f"The kept weights of {record.key[:12]} are not those of the record: {'; '.join(wrong)}.")
        return _open(folder, record, bases, environment.choose(device, threads))


def open_folder(
    folder: str | Path, *, bases: Sequence[str] = (), device: str = "auto", threads: int | None = None
) -> KeptModel:
    """Return the kept weights in a folder, wherever it lies; the rest is as for `open_kept`.

    Raises:
        SuiteError: the folder holds none, or they cannot be loaded.
    """
    return _open(Path(folder), None, bases, environment.choose(device, threads))


def _open(folder: Path, record: Record | None, bases: Sequence[str], machine: environment.Machine) -> KeptModel:
    import torch

    started = time.perf_counter()
    about = artifacts.read_about(folder)
    models.quiet()
    torch.set_num_threads(machine.threads)
    whole = strategies.get(about.strategy).keeps == "model"  # it needs no base checkpoint
    predictor = predictors.load(folder, machine.device, None if whole else _base(about.base, bases))
    pair = None if record is None else "text_pair" in record.task_spec.columns
    reader = Reader(about.kind, predictor.kind, pair, len(about.classes))
    return KeptModel(predictor, reader, record, time.perf_counter() - started)


def _base(ref: CheckpointRef, bases: Sequence[str]) -> CheckpointRef:
    """Return the base checkpoint with where it lies.

    Raises:
        SuiteError: it was a folder, and none of those that are named is it.
    """
    if not ref.revision.startswith("sha256:"):
        return ref
    for word in [*bases, *([ref.name] if ref.name.startswith("bundled/") else [])]:
        here = hub.resolve(word)
        if here.revision == ref.revision:
            return ref.model_copy(update={"folder": here.folder})
    raise SuiteError(
        f"The base checkpoint '{ref.name}' ({ref.revision[:19]}) was a folder, and none that is named is it; name it "
        "with --base FOLDER."
    )
