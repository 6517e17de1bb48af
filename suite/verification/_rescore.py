"""Everything in a record that follows from something else in it is derived again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from suite import artifacts, contamination, data, kinds, metrics
from suite.spec import COLLAPSE_RULE, Record, Result, SuiteError
from suite.store import Store
from suite.verification._check import Check

TOLERANCE = 1e-12
"""Another version of a library may add up in another order; nothing else may differ."""


def rescore(store: Store, name: str, level: str = "rescore") -> tuple[Check, Result | None]:
    """Return whether a record holds by itself, and its content where it does."""
    key, _, number = name.rpartition("-")
    attempt = int(number)
    try:
        result = store.result(key, attempt)
        record = result.record
        wrong = [*_differences(record, result.columns), *_lost_weights(store, record)]
        if otherwise := store.told_otherwise(record, result.columns):
            wrong.append(otherwise)
    except SuiteError as error:
        return Check(key, level, False, str(error), attempt=attempt), None
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # whole, but with a part of another shape
        told = f"a part of it is not what records have there: {type(error).__name__}: {error}"
        return Check(key, level, False, told, attempt=attempt), None
    if wrong:
        return Check(key, level, False, "; ".join(wrong), attempt=attempt), None
    told = f"{record.counts['test']} predictions give {record.main.name} {record.score:.4f} again"
    return Check(key, level, True, told, attempt=attempt), result


def _lost_weights(store: Store, record: Record) -> Iterable[str]:
    """Yield which kept weights are not there; their bytes are read by `infer`, since they may be many."""
    if record.artifact:
        yield from artifacts.missing(record.artifact, store.weight_files(record.key, record.attempt))


def _differences(record: Record, columns: dict[str, list[Any]]) -> Iterable[str]:
    """Yield what in a record does not follow from the rest of it."""
    if record.spec.key(record.task) != record.key:
        yield "the key is not that of the RunSpec inside: a pin or a setting was changed"
    if record.seeds != record.spec.seeds():
        yield "the seeds are not those of the RunSpec"
    yield from _counts(record, columns)
    if record.task_spec.kind not in kinds.names():
        yield f"this version does not know the task kind '{record.task_spec.kind}'"
        return
    kind = kinds.get(record.task_spec.kind)
    classes = [str(name) for name in record.data["classes"]]  # type: ignore[union-attr]  # a list of names
    try:
        labels, predictions = (kind.read(columns[c], classes) for c in ("label", "prediction"))
    except SuiteError as error:
        yield str(error)
        return
    yield from _scores(record, labels, predictions, columns)
    yield from _clean(record, labels, predictions, columns)
    yield from _meaning(record)
    if disagree := kind.contradictions(predictions, columns["scores"]):
        yield f"{disagree} predictions are not what their scores say"


def _counts(record: Record, columns: dict[str, list[Any]]) -> Iterable[str]:
    """Yield which counts, and hashes of what is counted, are not those of the table."""
    rows, counts = len(columns["id"]), record.counts
    if rows != counts["test"]:
        yield f"{counts['test']} test examples are claimed, {rows} are stored"
    if len(set(columns["id"])) != rows:
        yield "an example stands twice among the predictions"
    failed = _not_finite(columns["scores"])
    if (counts.get("failed", failed), counts.get("scored", rows - failed)) != (failed, rows - failed):
        yield f"{counts.get('failed')} failed examples are claimed, {failed} are stored"
    pins: Any = record.data.get("ids_sha256") or {}
    if pins.get("test", "") != data.hash_ids(columns["id"]):
        yield "ids_sha256 is not that of the tested examples"
    if record.data.get("revision", record.task_spec.dataset.revision) != record.task_spec.dataset.revision:
        yield "the data's revision is not the one that the task pins"


def _not_finite(scores: list[list[float]]) -> int:
    """Return how many rows hold a score that is no finite number."""
    if np.isfinite(np.fromiter(itertools.chain.from_iterable(scores), dtype=np.float64)).all():
        return 0
    return sum(not np.isfinite(np.array(row, dtype=np.float64)).all() for row in scores)


def _scores(record: Record, labels: Any, predictions: Any, columns: dict[str, list[Any]]) -> Iterable[str]:
    """Yield the metrics that the predictions do not give."""
    scores = columns["scores"]
    for name, claimed in record.metrics.items():
        if name.startswith(metrics.HUB):  # the Hub's code, which nothing but a run may load
            continue
        if name not in metrics.names():
            yield f"this version does not know the metric '{name}'"
            continue
        found = metrics.value(name, labels, predictions, scores)
        if not abs(found - claimed) <= TOLERANCE:  # what is no number is not within it
            yield f"{name} is {claimed!r} in the record, {found!r} by its predictions"
    if record.main.name in metrics.names():
        again = metrics.contributions(record.main.name, labels, predictions, scores)
        if not np.allclose(again, columns["value"], rtol=0, atol=1e-9):
            yield f"what examples give to {record.main.name} is not what the table says"


def _clean(record: Record, labels: Any, predictions: Any, columns: dict[str, list[Any]]) -> Iterable[str]:
    """Yield what the marks of rows that training holds too do not give: their number, and the score on the others."""
    told: Any = record.contamination
    seen = np.array(columns.get("seen", [False] * len(columns["id"])), dtype=bool)
    if "exact" in told and (said := told["exact"] + told["near"]) != seen.sum():
        yield f"{said} test rows are said to be among the training rows, {seen.sum()} are marked"
    if "clean" not in told:
        return
    names = [name for name in record.metrics if name in metrics.names()]
    found: Any = {"n": len(seen), "metrics": {name: record.metrics[name] for name in names}}
    if seen.any():
        found = contamination.clean_scores(names, labels, predictions, columns["scores"], seen)
    if told["clean"]["n"] != found["n"]:
        yield f"{told['clean']['n']} test rows are said to be clean, {found['n']} are"
    for name, value in found["metrics"].items():
        claimed = told["clean"]["metrics"].get(name)
        if (claimed is None) != (value is None) or (value is not None and not abs(value - claimed) <= TOLERANCE):
            yield f"{name} on the clean rows is {claimed!r} in the record, {value!r} by its predictions"


def _meaning(record: Record) -> Iterable[str]:
    """Yield what the main metric does not mean, and a collapse that is none."""
    main = record.main
    if main.name not in record.metrics:
        yield f"the main metric {main.name} has no value"
        return
    if main.name in metrics.names():
        known = metrics.info(main.name, main.chance)
        if main != known:
            yield f"{main.name} is not what the record says: version {known.version}, range {known.range} here"
    if record.collapse_rule == COLLAPSE_RULE and record.collapsed != main.is_collapsed(record.score):
        yield f"collapsed is {record.collapsed}, which a {main.name} of {record.score:.4f} is not"
