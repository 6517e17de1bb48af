"""Which run a worker takes next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.engines import forecast
from suite.engines._dispatch import Waiting, group_of, in_groups
from suite.spec import RunSpec


@pytest.fixture(scope="module")
def run(planned: Callable[..., list[RunSpec]], tiny_bert: Path, text_task: Path) -> Callable[[str, str, int], RunSpec]:
    """Return a function that gives a run of a checkpoint, a task and a seed."""
    (spec,) = planned(tiny_bert, text_task, "linear_probe")

    def make(checkpoint: str, task: str, seed: int) -> RunSpec:
        tasks = tuple(one.model_copy(update={"name": task}) for one in spec.tasks)
        reference = spec.checkpoint.model_copy(update={"name": checkpoint})
        return spec.model_copy(update={"checkpoint": reference, "tasks": tasks, "seed": seed})

    return make


@pytest.fixture(scope="module")
def specs(run: Callable[[str, str, int], RunSpec]) -> list[RunSpec]:
    """Two runs of A on x, three of A on y, four of B on x, one after the other in turn, seeds outermost."""
    sizes = {("A", "x"): 2, ("A", "y"): 3, ("B", "x"): 4}
    return [run(*cell, seed) for seed in range(4) for cell, size in sizes.items() if seed < size]


def _names(specs: list[RunSpec], numbers: list[int]) -> str:
    return " ".join(specs[n].checkpoint.name + specs[n].tasks[0].name + str(specs[n].seed) for n in numbers)


def test_one_worker_takes_group_after_group_in_the_order_of_the_plan(specs: list[RunSpec]) -> None:
    assert _names(specs, in_groups(specs)) == "Ax0 Ax1 Ay0 Ay1 Ay2 Bx0 Bx1 Bx2 Bx3"


def test_a_slot_stays_with_its_group_then_takes_the_largest_that_nobody_has_begun(specs: list[RunSpec]) -> None:
    alone = forecast(specs, 1)[0]
    assert _names(specs, alone) == "Bx0 Bx1 Bx2 Bx3 Ay0 Ay1 Ay2 Ax0 Ax1"
    first, second = forecast(specs, 2)
    assert _names(specs, first) == "Bx0 Bx1 Bx2 Bx3 Ax1"  # at the end it helps
    assert _names(specs, second) == "Ay0 Ay1 Ay2 Ax0"


def test_of_groups_as_large_that_of_the_slots_checkpoint_comes_first(run: Callable[[str, str, int], RunSpec]) -> None:
    specs = [run("A", "x", 0), run("B", "x", 0), run("A", "y", 0), run("B", "y", 0)]
    assert [_names(specs, one) for one in forecast(specs, 2)] == ["Ax0 Ay0", "Bx0 By0"]


def test_who_has_nothing_left_helps_where_most_is_left(run: Callable[[str, str, int], RunSpec]) -> None:
    specs = [run("A", "x", seed) for seed in range(5)]
    assert [_names(specs, one) for one in forecast(specs, 2)] == ["Ax0 Ax2 Ax4", "Ax1 Ax3"]


def test_more_workers_than_runs_get_one_each(specs: list[RunSpec]) -> None:
    assert [len(one) for one in forecast(specs[:2], 8)] == [1, 1]
    assert forecast([], 3) == []


def test_what_a_lost_worker_was_at_comes_first_again(specs: list[RunSpec]) -> None:
    waiting = Waiting(specs)
    number = waiting.take(0)
    assert number is not None
    waiting.put_back(number)
    assert waiting.take(0) == number
    assert waiting.take(1) != number


@given(
    cells=st.lists(st.sampled_from(["Ax", "Ay", "Bx", "By", "Cx"]), max_size=20),
    asking=st.lists(st.integers(0, 3), max_size=60),
)
def test_in_whatever_order_slots_ask_every_run_is_taken_once_and_groups_are_left_only_when_empty(
    run: Callable[[str, str, int], RunSpec], cells: list[str], asking: list[int]
) -> None:
    specs = [run(cell[0], cell[1], seed) for seed, cell in enumerate(cells)]
    waiting, again = Waiting(specs), Waiting(specs)
    left, at = set(range(len(specs))), dict[int, object]()
    for slot in [*asking, *([0] * len(specs))]:
        number = waiting.take(slot)
        assert number == again.take(slot)  # nothing but the order of asking decides
        if number is None:
            assert not left
            continue
        if slot in at and any(group_of(specs[one]) == at[slot] for one in left):
            assert group_of(specs[number]) == at[slot]
        at[slot] = group_of(specs[number])
        left.remove(number)
    assert not left and not waiting
