"""Which run a worker takes next: runs that share a checkpoint and data follow each other in one process.

What the first of them imports, reads and computes serves the others, so a slot stays with its group while it can. And
how often a run is begun whose workers are lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence

from suite.spec import RunSpec

TRIES = 3
"""How often a run is begun at most: what loses three workers is not their fault."""

DIED = (
    f"Its worker died {TRIES} times, perhaps for lack of memory; run it again with fewer --workers, or on a cluster "
    "with more --threads a run."
)


def checkpoint_of(spec: RunSpec) -> Hashable:
    """Return what tells a run's checkpoint from others."""
    return spec.checkpoint.name, spec.checkpoint.revision, spec.checkpoint.init


def group_of(spec: RunSpec) -> Hashable:
    """Return what tells a run's group from others: its checkpoint and its data."""
    names = tuple(task.name for task in spec.tasks)
    return checkpoint_of(spec), names, spec.resample, spec.protocol.name


def in_groups(specs: Sequence[RunSpec]) -> list[int]:
    """Return the runs' numbers, those of a group behind each other, groups as the first of each comes."""
    return [number for group in _groups(specs, range(len(specs))).values() for number in group]


def forecast(specs: Sequence[RunSpec], workers: int) -> list[list[int]]:
    """Return which runs each worker would carry out, in order, if all took equally long."""
    waiting = Waiting(specs)
    found: list[list[int]] = [[] for _ in range(min(workers, len(specs)))]
    while waiting:
        for slot, taken in enumerate(found):
            if (number := waiting.take(slot)) is not None:
                taken.append(number)
    return found


class Waiting:
    """Runs that nobody carries out yet, by group.

    What is taken depends on nothing but the order in which slots ask.
    """

    def __init__(self, specs: Sequence[RunSpec], numbers: Iterable[int] | None = None) -> None:
        """Take the runs that wait: all, or those of these numbers."""
        self._specs = specs
        self._groups = _groups(specs, range(len(specs)) if numbers is None else numbers)
        self._untouched = dict.fromkeys(self._groups)  # a set that keeps the order
        self._at: dict[int, Hashable] = {}

    def __len__(self) -> int:
        """Return how many runs wait."""
        return sum(len(group) for group in self._groups.values())

    def take(self, slot: int) -> int | None:
        """Return the number of the run that a slot carries out next, None where none is left.

        It is the next of the group that the slot is on, else of the largest group that nobody has begun (of equally
        large ones the first that has the slot's checkpoint), else of the group that has most left.
        """
        group = self._at.get(slot)
        if group is None or not self._groups[group]:
            group = self._choose(group)
        if group is None:
            return None
        self._at[slot] = group
        self._untouched.pop(group, None)
        return self._groups[group].popleft()

    def put_back(self, number: int) -> None:
        """Let a run whose worker was lost wait again, as the first of its group."""
        self._groups[group_of(self._specs[number])].appendleft(number)

    def _choose(self, before: Hashable | None) -> Hashable | None:
        checkpoints = {group: checkpoint_of(self._specs[runs[0]]) for group, runs in self._groups.items() if runs}
        at = before[0] if isinstance(before, tuple) else None
        open_ones = [group for group in self._untouched if group in checkpoints] or list(checkpoints)
        return max(open_ones, key=lambda group: (len(self._groups[group]), checkpoints[group] == at), default=None)


def _groups(specs: Sequence[RunSpec], numbers: Iterable[int]) -> dict[Hashable, deque[int]]:
    found: dict[Hashable, deque[int]] = {}
    for number in numbers:
        found.setdefault(group_of(specs[number]), deque()).append(number)
    return found
