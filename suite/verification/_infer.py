"""Kept weights predict again what they predicted on the day of the record, on the data that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from suite import artifacts, grid, strategies
from suite.environment import Machine
from suite.spec import Record, Result, RunSpec, SuiteError
from suite.store import Store
from suite.verification._check import Check
from suite.verification._places import PINS, Means, Places, UntrueError, as_it_is, other_data
from suite.verification._rescore import rescore

AGREEMENT = 0.999
"""The share of predictions that must be the same."""

TOLERANCE = 1e-3
"""What scores may differ by: absolute up to 1, as of probabilities; above, in proportion to them."""


def infer(store: Store, names: Sequence[str], means: Means) -> Iterator[Check]:
    """Yield a check for every record: those without weights could not be checked.

    Raises:
        SuiteError: what the means name is not there.
    """
    places = Places(means)
    return (_check(store, name, means, places) for name in names)


def _check(store: Store, name: str, means: Means, places: Places) -> Check:
    check, result = rescore(store, name, "infer")
    if result is None:
        return check
    record = result.record
    unchecked = replace(check, ok=False, checked=False)
    if not record.artifact:
        return replace(unchecked, detail=_nothing_kept(store, record))
    try:
        again = _predict(store, record, means, places)
    except UntrueError as error:
        return replace(check, ok=False, detail=str(error))
    except SuiteError as error:
        return replace(unchecked, detail=str(error))
    except Exception as error:  # a store goes on whatever one record's weights do; the reason is told
        first = str(error).strip().splitlines()[:1]
        return replace(unchecked, detail=f"{type(error).__name__}: {first[0] if first else 'no message'}")
    wrong = list(_differences(result, again))
    told = "; ".join(wrong) or _agreement(result, again)
    return replace(check, ok=not wrong, detail=told)


@dataclass(frozen=True)
class _Again:
    """What the kept weights say now: the labels of the data, predictions, scores, and on which device."""

    labels: list[str]
    predictions: list[str]
    scores: list[np.ndarray]
    machine: Machine


def _nothing_kept(store: Store, record: Record) -> str:
    if not grid.leaves_weights(record.spec):
        return f"{record.spec.strategy} fits heads for the moment and leaves no weights; use --level retrain"
    if kept := store.kept(record.key):
        return f"this attempt kept no weights; attempt {kept} did"
    return "no weights were kept; run it again with --keep-weights, which files them with a further attempt"


def _predict(store: Store, record: Record, means: Means, places: Places) -> _Again:
    """Return what the weights of a record say of the test rows that it names.

    Raises:
        UntrueError: weights or data are not those of the record.
        SuiteError: they cannot be had here.
    """
    import torch

    from suite import models, predictors

    with store.weights(record.key, record.attempt) as folder:
        if wrong := artifacts.changed(record.artifact, folder):
            raise UntrueError("; ".join(wrong))
        whole = strategies.get(record.spec.strategy).keeps == "model"  # it needs no base checkpoint
        spec = places.settle(record.spec, checkpoint=not whole)
        machine = means.machine(record)
        models.quiet()
        torch.set_num_threads(machine.threads)
        rows = _rows(record, spec)
        predictor = predictors.load(folder, machine.device, None if whole else spec.checkpoint)
        prepared = predictor.prepare(rows)
        answers = predictor.answer(prepared)
    labels = predictor.kind.shown(prepared.labels, predictor.about.classes)
    return _Again(labels, answers.predictions, answers.scores, machine)


def _rows(record: Record, spec: RunSpec) -> Any:
    """Return the test rows, read anew.

    Raises:
        UntrueError: they, or those that were trained on, are others than the record says.
        SuiteError: they cannot be read.
    """
    from suite import evaluation

    task = as_it_is(next(task for task in spec.tasks if task.name == record.task))
    rows = evaluation.load_rows(task, spec)[-1]
    for pin in PINS:
        claimed: Any = record.data.get(pin)
        found = rows.pins.get(pin)
        if claimed is not None and claimed != found:
            raise other_data(record.task, f"{pin}{_where(claimed, found)}")
    return rows.test


def _where(claimed: Any, found: Any) -> str:
    if not isinstance(claimed, dict) or not isinstance(found, dict):
        return ""
    return f" ({', '.join(name for name in claimed if claimed[name] != found.get(name))})"


def _differences(result: Result, again: _Again) -> Iterator[str]:
    columns, n = result.columns, len(again.predictions)
    if n != len(columns["id"]):
        yield f"{len(columns['id'])} examples are stored, the data has {n}"
        return
    if others := sum(a != b for a, b in zip(columns["label"], again.labels, strict=True)):
        yield f"the labels of {others} examples are not those of the data"
    same = _same(result, again)
    if same < AGREEMENT * n:
        yield f"only {same} of {n} predictions come again from the kept weights"
    far, most = _distance(columns["scores"], again.scores)
    if far:
        yield f"the scores of {far} of {n} examples are off by more than {TOLERANCE}, by up to {most:.2g}"


def _same(result: Result, again: _Again) -> int:
    return sum(a == b for a, b in zip(result.columns["prediction"], again.predictions, strict=True))


def _distance(stored: Sequence[Sequence[float]], found: Sequence[np.ndarray]) -> tuple[int, float]:
    """Return how many rows have a score outside the tolerance, and the largest difference in its terms."""
    far, most = 0, 0.0
    for old, new in zip(stored, found, strict=True):
        a, b = np.asarray(old, dtype=np.float64), np.asarray(new, dtype=np.float64)
        if a.shape != b.shape or not (np.isfinite(a) == np.isfinite(b)).all():
            far, most = far + 1, np.inf
            continue
        both = np.isfinite(a)
        difference = np.abs(a - b)[both] / np.maximum(1.0, np.abs(a[both]))
        worst = float(difference.max(initial=0.0))
        far, most = far + (worst > TOLERANCE), max(most, worst)
    return far, most


def _agreement(result: Result, again: _Again) -> str:
    n = len(again.predictions)
    _, most = _distance(result.columns["scores"], again.scores)
    threads = f"{again.machine.threads} thread{'s' * (again.machine.threads > 1)}"
    where = f"on {'the GPU' if again.machine.device == 'cuda' else threads}"
    scores = "the same bits" if most == 0 else f"up to {most:.1e} off"
    return f"{_same(result, again)} of {n} predictions come again from the kept weights {where}, scores {scores}"
