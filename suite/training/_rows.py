"""The training rows of all tasks behind each other, read batch by batch, and who reads them."""

from __future__ import annotations

import bisect
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch.utils.data import Sampler, get_worker_info

from suite import environment
from suite.deadline import Deadline
from suite.training._parts import Part

WORTH = 0.05
"""Seconds that a batch must take to read before loader workers are worth their start and their memory."""

WORKERS = 4


class Rows:
    """Makes the batch of some row numbers, which count through the tasks; each batch is one task's.

    Of several tasks, the batch says by `task` whose it is.
    """

    def __init__(self, parts: Mapping[str, Part], split: str = "train") -> None:
        self._tasks, self._parts = list(parts), list(parts.values())
        self._items: list[Sequence[dict[str, Any]]] = [getattr(part, split) for part in parts.values()]
        self._ends = list(itertools.accumulate(len(items) for items in self._items))
        self._deadline = Deadline(f"Reading the {split} rows of {' and '.join(parts)}")

    def __len__(self) -> int:
        return self._ends[-1]

    def __call__(self, rows: list[int]) -> dict[str, Any]:
        """Return a batch.

        Raises:
            SuiteError: it takes too long; in a loader's worker the loader sees to that.
        """
        if get_worker_info() is not None:
            return self._read(rows)
        return self._deadline.call(self._read, rows)

    def _read(self, rows: list[int]) -> dict[str, Any]:
        (place,) = {bisect.bisect_right(self._ends, row) for row in rows}
        start = self._ends[place] - len(self._items[place])
        batch = self._parts[place].collate([self._items[place][row - start] for row in rows])
        return {**batch, "task": self._tasks[place]} if len(self._tasks) > 1 else batch

    def close(self) -> None:
        """Let the reader go."""
        self._deadline.close()


class Order(Sampler[int]):
    """Row numbers as they stand in the batches made beforehand."""

    def __init__(self, rows: list[int]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def count_workers(rows: Rows, first: list[int], device: str) -> int:
    """Return how many processes should read ahead: on a CPU none, they would take the cores that training has.

    On a GPU it is told by the first batch, which is read for this once more. What is trained is the same.
    """
    if device == "cpu":
        return 0
    started = time.perf_counter()
    rows(first)
    return min(WORKERS, environment.count_cores() - 1) if time.perf_counter() - started > WORTH else 0
