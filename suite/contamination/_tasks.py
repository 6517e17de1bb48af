"""What `suite tasks` shows: a task's test rows in its own training rows, and in those of a collection's other tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import JsonValue

from suite import data, tasks
from suite.contamination._found import Found, look
from suite.contamination._match import EXACT, NEAR, comparable, find
from suite.contamination._rows import Pool, pool
from suite.contamination._texts import text_of
from suite.data import TaskData
from suite.spec import SuiteError, TaskSpec

EXAMPLES = 5
_SHOWN = 160


def of_task(task: TaskSpec, fetch: bool = False, threads: int = 1) -> dict[str, JsonValue]:
    """Return what is found of a task's test rows among its training rows, with the nearest as examples.

    Args:
        task: the task; its own splits and limits, no protocol's.
        fetch: ask the Hub for data that this machine does not have.
        threads: how many images are decoded at once.

    Returns:
        Counts and thresholds as a record has them and `examples`, or a `reason` why nothing is known.
    """
    try:
        rows = _rows(task, fetch)
        found = look({task.name: (rows,)}, threads)[task.name]
    except SuiteError as error:
        return {"reason": str(error)}
    return {**found.report(), "examples": _examples(found, rows)}


def of_collection(chosen: Sequence[TaskSpec], fetch: bool = False, threads: int = 1) -> dict[str, JsonValue]:
    """Return how many test rows of each task are among the training rows of each task of a collection.

    Compared are tasks of one modality whose rows have as many input columns.

    Returns:
        `compared`, the number of pairs; `pairs`, those with rows in common; `not_read`, why a task's data were not.
    """
    pools: dict[str, tuple[Pool, TaskData]] = {}
    missing: dict[str, JsonValue] = {}
    for task in chosen:
        try:
            rows = _rows(task, fetch)
            pools[task.name] = pool(rows.splits), rows
        except SuiteError as error:
            missing[task.name] = str(error)
    names = [(test, train) for test in pools for train in pools if comparable(pools[test][0], pools[train][0])]
    pairs: list[JsonValue] = []
    for test, train in names:
        try:
            pairs += _pair(test, train, pools, threads)
        except SuiteError as error:
            missing[test] = str(error)
    return {"compared": len(names), "pairs": pairs, "not_read": missing}


def _pair(test: str, train: str, pools: dict[str, tuple[Pool, TaskData]], threads: int) -> list[JsonValue]:
    """Return one line on two tasks, or none where they have no rows in common."""
    (asked, rows), (learned, others) = pools[test], pools[train]
    held = [*others.train.hashes, *others.validation.hashes]
    how = find((asked, rows.test.hashes), (learned, held), False, threads).how
    if not how.any():
        return []
    counts = {"test_rows": len(how), "exact": int((how == EXACT).sum()), "near": int((how == NEAR).sum())}
    return [{"test": test, "train": train, **counts}]


def _rows(task: TaskSpec, fetch: bool) -> TaskData:
    """Return a task's rows.

    Raises:
        SuiteError: they cannot be had, or only by asking the Hub.
    """
    if not fetch and task.dataset.path not in tasks.LOCAL_BUILDERS and not data.cached(task):
        raise SuiteError(f"{task.name} is on the Hub and not in the cache of this machine; --look fetches it.")
    return data.load(task, tasks.local_files(task), {})


def _examples(found: Found, rows: TaskData) -> list[JsonValue]:
    """Return the rows that are most alike, the first by their ids of equal ones, and their texts."""
    held = pool(rows.splits)
    order = sorted(np.flatnonzero(found.seen).tolist(), key=lambda row: (-found.similarity[row], found.ids[row]))
    examples: list[JsonValue] = []
    for row in order[:EXAMPLES]:
        about: dict[str, JsonValue] = {
            "how": "exact" if found.exact[row] else "near",
            "similarity": round(float(found.similarity[row]), 4),
            "other_label": bool(found.other_answer[row]),
            "test": found.ids[row],
            "train": found.match[row][:20],
        }
        if held.sort == "text":
            about |= {"test_text": _text(held, rows.test.hashes[row]), "train_text": _text(held, found.match[row])}
        examples.append(about)
    return examples


def _text(held: Pool, row: str) -> str:
    (place,) = held.places([row])
    text = " | ".join(text_of(cell) for cell in held.cells[place])
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
