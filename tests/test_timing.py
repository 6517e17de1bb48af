"""The clock of a run: phases that do not overlap and add up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from suite import environment, evaluation, timing
from suite.cli._profile import Profile
from suite.environment import Machine


def spend(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_phase_within_another_is_not_counted_twice() -> None:
    started = time.perf_counter()
    with timing.measure() as clock:
        with timing.phase("training"):
            spend(0.02)
            with timing.phase("looks"):
                spend(0.03)
            spend(0.01)
        spend(0.01)
        found = clock.phases
    whole = time.perf_counter() - started
    assert list(found) == ["training", "looks", "other"]
    assert found["training"] >= 0.03 and found["looks"] >= 0.03 and found["other"] >= 0.01
    assert 0.07 <= sum(found.values()) <= whole  # counted twice, looks would make it more


def test_a_phase_ends_with_an_error_too() -> None:
    with timing.measure() as clock:
        with pytest.raises(ValueError), timing.phase("training"):
            raise ValueError
        spend(0.01)
        assert clock.phases["other"] >= 0.01


def test_a_clock_within_a_clock_stops_the_outer_one() -> None:
    with timing.measure() as outer:
        with timing.measure() as inner, timing.phase("training"):
            spend(0.02)
        with timing.phase("storing"):
            spend(0.01)
    assert inner.phases["training"] >= 0.02
    assert "training" not in outer.phases
    assert outer.phases["runs"] >= 0.02 and outer.phases["storing"] >= 0.01


def test_a_clock_within_a_clock_goes_by_the_same_time() -> None:
    seconds = iter(range(100))
    with timing.measure(lambda: next(seconds)), timing.measure() as inner, timing.phase("training"):
        pass
    assert inner.phases["training"] == 1 and all(found % 1 == 0 for found in inner.phases.values())


def test_a_function_may_be_a_phase_and_call_itself() -> None:
    @timing.phase("features")
    def count(n: int) -> int:
        spend(0.002)
        return n if n == 0 else count(n - 1)

    assert count(3) == 0  # nobody measures: nothing happens
    with timing.measure() as clock:
        count(3)
    assert clock.phases["features"] >= 0.008


def test_phases_stand_in_a_cost_and_are_read_from_it() -> None:
    phases = {"loading data": 0.5, "training": 2.0}
    cost = {"seconds": 3.0, "reused_seconds": 1.0, **timing.as_cost(phases)}
    assert cost["loading_data_seconds"] == 0.5
    assert timing.of_cost(cost) == phases
    assert timing.of_cost({"seconds": 3.0}) == {}
    assert timing.total([phases, {"training": 1.0, "looks": 1.0}]) == {
        "loading data": 0.5,
        "training": 3.0,
        "looks": 1.0,
    }


@pytest.mark.parametrize("strategy", ["full", "linear_probe"])
def test_the_phases_of_a_run_add_up_to_its_time(
    strategy: str,
    planned: Callable[..., list[Any]],
    tiny_bert: Path,
    text_task: Path,
    machine: Machine,
    own_cache: Path,
) -> None:
    (spec,) = planned(tiny_bert, text_task, strategy)
    evaluation.evaluate(spec, machine, lambda event: None)
    started = time.perf_counter()
    (result,) = evaluation.evaluate(spec, machine, lambda event: None)
    whole = time.perf_counter() - started
    found = timing.of_cost(result.record.cost)
    assert sum(found.values()) == pytest.approx(whole, rel=0.1, abs=0.05)  # what is not counted looks for garbage
    named = {"training", "scoring", "comparing rows"}
    named |= {"loading the checkpoint", "looks", "predicting"} if strategy == "full" else {"features"}
    assert named <= found.keys()
    assert found["other"] < 0.1 + 0.1 * whole
    json.dumps(found)


def test_a_profile_has_a_row_for_what_was_run_alike(
    planned: Callable[..., list[Any]], tiny_bert: Path, text_task: Path, machine: Machine
) -> None:
    profile = Profile()
    for strategy, seeds in (("full", 1), ("linear_probe", 2)):
        for spec in planned(tiny_bert, text_task, strategy, seeds):
            profile.add(evaluation.evaluate(spec, machine, lambda event: None)[0].record)
    with timing.measure() as clock, timing.phase("storing"):
        spend(0.001)
    table = profile.table(clock)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert profile.runs == 3
    assert columns["runs"] == ["1", "2"]
    assert [cell.rpartition(" ")[2] for cell in columns["seconds a run"]] == ["full", "linear_probe"]
    assert "storing" in str(table.title)
    phases = [name for name in columns if name not in ("seconds a run", "runs", "all")]
    for row, whole in enumerate(columns["all"]):
        assert sum(float(columns[name][row]) for name in phases) == pytest.approx(float(whole), abs=0.01 * len(phases))


def test_the_peak_of_memory_is_a_runs_own() -> None:
    environment.watch_memory()
    before = environment.peak_memory()
    held = np.ones(100_000_000 // 8)
    large = environment.peak_memory()
    assert large - before > 0.9 * held.nbytes
    del held
    environment.watch_memory()
    if Path("/proc/self/clear_refs").exists():
        assert environment.peak_memory() < large - 50_000_000
