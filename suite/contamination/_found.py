"""What was found of a task's test rows, as a record keeps it, and the score on the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import JsonValue

from suite import metrics
from suite.contamination._match import EXACT, NEAR, Matches, comparable, find, method
from suite.contamination._rows import Pool, pool
from suite.data import TaskData
from suite.spec import SuiteError

LEAST = 2
"""So many clean rows make a score: no interval is had from fewer."""


@dataclass(frozen=True)
class Found:
    """What was found of a task's test rows among the rows that a run trains or selects on.

    Attributes:
        method: name, version and thresholds of the comparison, and the columns compared.
        ids: the tested examples, n of them.
        exact: which of them are there, bool [n].
        near: which of them have a near copy there and are not there themselves, bool [n].
        other_answer: which of these have another answer there, bool [n].
        elsewhere: which of these are among another task's rows only, bool [n].
        match: the hash of the training row that is nearest, "" where none is near.
        similarity: how alike the two are, fp64 [n]; 1 for equal ones.
        train_rows: how many rows were compared with.
        other_tasks: the tasks of a joint run whose rows were compared too, and those whose rows are of another form.
        unknown: why nothing is known; empty where it is.
    """

    method: Mapping[str, Any]
    ids: Sequence[str]
    exact: np.ndarray
    near: np.ndarray
    other_answer: np.ndarray
    elsewhere: np.ndarray
    match: Sequence[str]
    similarity: np.ndarray
    train_rows: int
    other_tasks: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    unknown: str = ""

    @property
    def seen(self) -> np.ndarray:
        """Which test rows the training rows hold, exactly or nearly, bool [n]."""
        seen: np.ndarray = self.exact | self.near
        return seen

    def at(self, ids: Sequence[str]) -> Found:
        """Return the same for the examples that were tested: test rows, or an episode's, named `<episode>-<row>`."""
        if list(ids) == list(self.ids):
            return self
        where = {name: place for place, name in enumerate(self.ids)}
        places = [where.get(name, where.get(name.partition("-")[2], -1)) for name in ids]
        if min(places, default=-1) < 0:
            return replace(self, unknown="What was tested are no rows of the test split.")
        arrays = {name: getattr(self, name)[places] for name in _ARRAYS}
        return replace(self, ids=list(ids), match=[self.match[place] for place in places], **arrays)

    def report(self) -> dict[str, JsonValue]:
        """Return what a record keeps of it, the score on the clean rows aside."""
        if self.unknown:
            return {"reason": self.unknown}
        counts: dict[str, JsonValue] = {
            "train_rows": self.train_rows,
            "test_rows": len(self.ids),
            "exact": int(self.exact.sum()),
            "near": int(self.near.sum()),
            "other_label": int(self.other_answer.sum()),
        }
        compared, other_form = self.other_tasks
        if compared or other_form:
            counts |= {"other_task": int(self.elsewhere.sum())}
            counts |= {"tasks": list(compared), "not_compared": list(other_form)}
        return {**self.method, **counts}

    def columns(self) -> dict[str, list[bool]]:
        """Return the column `seen` of the per-example table, if any is."""
        return {"seen": self.seen.tolist()} if not self.unknown and self.seen.any() else {}

    def record(self, values: Mapping[str, float], labels: Any, predictions: Any, scores: Any) -> dict[str, JsonValue]:
        """Return what a record keeps, with the score on the clean rows; `values` are the scores on all."""
        if self.unknown:
            return self.report()
        clean: dict[str, JsonValue] = {"n": len(self.ids), "metrics": dict(values)}
        if self.seen.any():
            clean = clean_scores(values, labels, predictions, scores, self.seen)
        return {**self.report(), "clean": clean}


_ARRAYS = ("exact", "near", "other_answer", "elsewhere", "similarity")


def clean_scores(
    names: Iterable[str], labels: Any, predictions: Any, scores: Any, seen: Sequence[bool] | np.ndarray
) -> dict[str, JsonValue]:
    """Return `n`, how many test rows are not seen, and `metrics` on them; a `reason` where one is None or all lack.

    Args:
        names: the metrics.
        labels: of all n test rows, as `suite.metrics` takes them for the task's target; predictions and scores too.
        predictions: what was predicted.
        scores: fp32 scores, or a list of them a row.
        seen: which rows the training rows hold too, [n].
    """
    rows = np.flatnonzero(~np.asarray(seen, dtype=bool))
    if len(rows) < LEAST:
        return {"n": len(rows), "metrics": {}, "reason": f"{len(rows)} test rows are not seen; a score needs {LEAST}."}
    part = [_take(values, rows) for values in (labels, predictions, scores)]
    found: dict[str, JsonValue] = {}
    reasons = []
    for name in names:
        found[name], reason = _value(name, *part)
        reasons += [reason] if reason else []
    clean: dict[str, JsonValue] = {"n": len(rows), "metrics": found}
    return clean | ({"reason": "; ".join(reasons)} if reasons else {})


def _value(name: str, labels: Any, predictions: Any, scores: Any) -> tuple[float | None, str]:
    """Return a metric's value, or None and why there is none."""
    try:
        value = metrics.value(name, labels, predictions, scores)
    except SuiteError as error:
        return None, f"{name}: {error}"
    return (float(value), "") if np.isfinite(value) else (None, f"{name}: no finite number on these rows")


def _take(values: Any, rows: np.ndarray) -> Any:
    if values is None or isinstance(values, np.ndarray):
        return None if values is None else values[rows]
    return [values[row] for row in rows.tolist()]


def look(runs: Mapping[str, Sequence[TaskData]], threads: int = 1) -> dict[str, Found]:
    """Return for every task of a run what was found of its test rows among the training rows of all of them.

    Training rows are those of the training and the validation splits, of all stages where a task comes in several.

    Args:
        runs: the rows of each task by its name, stage by stage.
        threads: how many images are decoded at once.

    Raises:
        SuiteError: an image cannot be opened.
    """
    pools = {name: pool([split for rows in stages for split in rows.splits]) for name, stages in runs.items()}
    learned = {
        name: [row for rows in stages for split in (rows.train, rows.validation) for row in split.hashes]
        for name, stages in runs.items()
    }
    return {name: _found(name, stages[-1], pools, learned, threads) for name, stages in runs.items()}


def _found(
    name: str, rows: TaskData, pools: Mapping[str, Pool], learned: Mapping[str, list[str]], threads: int
) -> Found:
    own = pools[name]
    others = [other for other in pools if other != name and comparable(own, pools[other])]
    asked = (own, rows.test.hashes)
    left_out = rows.pins.get("resample") == "loo"
    matches = [
        find(asked, (pools[other], learned[other]), left_out and other == name, threads) for other in [name, *others]
    ]
    how, similarity = (np.stack([getattr(one, of) for one in matches]) for of in ("how", "similarity"))
    best = (how * 2.0 + similarity).argmax(axis=0)  # of equally near ones the own task's, which comes first
    at = best, np.arange(len(best))
    return Found(
        method={**method(own), "columns": list(own.inputs)},
        ids=rows.test.ids,
        exact=how[at] == EXACT,
        near=how[at] == NEAR,
        other_answer=(how[0] > 0) & ~matches[0].agrees,
        elsewhere=(how[0] == 0) & (how[at] > 0),
        match=_matched(matches, best),
        similarity=similarity[at],
        train_rows=sum(_trained(learned[other], left_out) for other in [name, *others]),
        other_tasks=(tuple(others), tuple(other for other in pools if other not in (name, *others))),
    )


def _matched(matches: Sequence[Matches], best: np.ndarray) -> list[str]:
    return [matches[which].match[row] for row, which in enumerate(best.tolist())]


def _trained(rows: Sequence[str], left_out: bool) -> int:
    """Return how many rows are trained on; where one is left out at a time, the same rows are all three splits."""
    return len(rows) // 2 if left_out else len(rows)
