"""A run is one command's at a time, is not done twice, and goes on where it stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_records import made

from suite import evaluation, files, runs, strategies
from suite.environment import Machine
from suite.runs import Orders
from suite.spec import Result
from suite.store import Store

MADE = made("o/m", "mood", [1.0, 0.0, 1.0])
SPEC, KEY = MADE.record.spec, MADE.record.spec.key()
MACHINE = Machine("cpu", 1)


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path | None]]:
    """Return where evaluations were told to resume; they take no time and leave a checkpoint where they may."""
    asked: list[Path | None] = []

    def evaluate(spec: Any, machine: Any, progress: Any, keep: Any = None, resume: Path | None = None) -> list[Result]:
        asked.append(resume)
        if resume is not None:
            resume.mkdir(parents=True, exist_ok=True)
            (resume / "checkpoint").write_text("half")
        return [MADE]

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    yield asked
    runs.release(SPEC)


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    (tmp_path / "store" / runs.FOLDER).mkdir(parents=True)
    return Orders(str(tmp_path / "store"), tmp_path / "store" / runs.FOLDER)


@contextlib.contextmanager
def elsewhere(orders: Orders) -> Iterator[None]:
    """Hold the run as another process would: a lock belongs to whoever opened the file."""
    held = os.open(orders.unfinished / f"{KEY}.lock", os.O_RDWR | os.O_CREAT)
    assert files.lock(held, wait=False)
    try:
        yield
    finally:
        os.close(held)


def carry_out(orders: Orders, machine: Machine = MACHINE) -> list[Result]:
    return runs.carry_out(SPEC, machine, lambda event: None, orders)


def test_a_run_that_the_store_holds_by_now_is_not_done_again(orders: Orders, evaluated: list[Any]) -> None:
    assert orders.store
    Store(orders.store).put(MADE)
    assert carry_out(orders) == []
    assert evaluated == []
    assert list(orders.unfinished.iterdir()) == []


def test_a_run_of_another_command_is_left_to_it(orders: Orders, evaluated: list[Any]) -> None:
    with elsewhere(orders):
        assert carry_out(orders) == []
    assert evaluated == []
    assert carry_out(orders) == [MADE]  # the other one died


def test_whoever_waits_goes_on_once_the_record_is_there_though_the_other_still_lives(
    orders: Orders, evaluated: list[Any]
) -> None:
    assert orders.store
    with elsewhere(orders):
        threading.Timer(0.3, Store(orders.store).put, [MADE]).start()
        assert carry_out(replace(orders, wait=True)) == []
    assert evaluated == []


def test_a_forced_run_asks_nobody_and_resumes_nothing(orders: Orders, evaluated: list[Any]) -> None:
    assert orders.store
    Store(orders.store).put(MADE)
    with elsewhere(orders):
        assert carry_out(replace(orders, force=True)) == [MADE]
    assert evaluated == [None]


def test_a_run_stays_claimed_until_its_records_are_stored_and_leaves_nothing_then(
    orders: Orders, evaluated: list[Any]
) -> None:
    assert carry_out(orders) == [MADE]
    held = os.open(orders.unfinished / f"{KEY}.lock", os.O_RDWR)
    assert files.lock(held, wait=False) is False
    os.close(held)
    runs.settle(SPEC, orders)
    assert list(orders.unfinished.iterdir()) == []


def test_what_a_run_left_is_taken_up_by_itself_on_the_same_machine_alone(
    orders: Orders, evaluated: list[Path | None]
) -> None:
    for machine in (MACHINE, Machine("cpu", 2), MACHINE):
        carry_out(orders, machine)
        runs.release(SPEC)  # its record could not be stored
    first, other, again = evaluated
    assert first == again != other
    assert {place.parent for place in evaluated if place} == {orders.unfinished / KEY}


def test_where_nothing_can_be_locked_a_run_is_done_without_a_folder(
    orders: Orders, evaluated: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "lock", lambda held, wait: None)
    assert carry_out(orders) == [MADE]
    assert carry_out(replace(orders, unfinished=orders.unfinished / "not" / "there")) == [MADE]
    assert evaluated == [None, None]


def test_what_nobody_comes_back_for_is_swept(orders: Orders, evaluated: list[Any]) -> None:
    folder = orders.unfinished
    month = time.time() - runs.STALE - 1
    for name, old in (("dead", False), ("done", False), ("fresh", False), ("stale", True)):
        (folder / f"{name}.lock").touch()
        if name != "dead":
            (folder / name).mkdir()
        if old:
            os.utime(folder / f"{name}.lock", (month, month))
    with elsewhere(orders):
        runs.sweep(folder, {"done"})
        assert sorted(path.name for path in folder.iterdir()) == sorted([f"{KEY}.lock", "fresh", "fresh.lock"])


@pytest.mark.parametrize("name", strategies.names())
def test_a_run_without_its_weights_is_held_only_where_it_leaves_none(name: str, tmp_path: Path) -> None:
    result = made("o/m", "mood", [1.0, 0.0], strategy=name)
    store = Store(str(tmp_path))
    store.put(result)
    spec = result.record.spec
    assert runs.is_held(spec, store, keep=False)
    assert runs.is_held(spec, store, keep=True) is not runs.leaves_weights(spec)


def test_troubles_with_a_cache_are_passed_on(
    orders: Orders, evaluated: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    troubles: Callable[[], list[str]] = lambda: ["no room"]  # noqa: E731  # what stands in for a function
    monkeypatch.setattr(files, "troubles", troubles)
    runs.carry_out(SPEC, MACHINE, told.append, orders)
    assert told == [{"note": "no room"}]


KEEP_AND_END = """
import os, sys
from pathlib import Path
from suite.runs import Orders
folder = Path(Orders(None, Path("unfinished"), keep="/not/here").folder())
assert folder == Path(Orders(None, Path("unfinished"), keep="/not/here").folder())
(folder / "model.safetensors").write_bytes(b"weights")
print(folder, flush=True)
os.kill(os.getpid(), int(sys.argv[1])) if sys.argv[1] != "0" else None
"""


def test_weights_for_another_machine_do_not_stay_after_a_worker_that_ends_or_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KEEP_AND_END]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    for number, left in ((signal.SIGKILL, 1), (signal.SIGKILL, 1), (0, 0)):  # the next one takes away what is left
        ended = subprocess.run(
            [*command, str(int(number))], env=environment, capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == -number, ended.stderr
        assert Path(ended.stdout.strip()).parent == tmp_path
        assert len(list(tmp_path.iterdir())) == left
