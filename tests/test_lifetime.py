"""A Ctrl-C that is lost in foreign code is remembered; what must not be cut in two is done first."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suite import engines, lifetime
from suite.environment import Machine


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _lose_one() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        _interrupt()


def test_a_lost_interrupt_is_told_when_asked_for() -> None:
    with lifetime.interruptible():
        lifetime.heed()
        _lose_one()
        with pytest.raises(KeyboardInterrupt):
            lifetime.heed()
    lifetime.heed()  # another command begins anew
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Finalised:
    def __del__(self) -> None:
        _interrupt()


def test_an_interrupt_that_a_finaliser_drops_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.unraisablehook
    with lifetime.interruptible():
        Finalised()
        with pytest.raises(KeyboardInterrupt):
            lifetime.heed()
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is before


def test_what_else_a_finaliser_drops_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __del__(self) -> None:
            raise ValueError("dropped")

    told: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))
    with lifetime.interruptible():
        Failing()
    assert told == [ValueError]


def test_an_interrupt_waits_for_what_must_be_done_as_a_whole() -> None:
    done = []
    with lifetime.interruptible(), pytest.raises(KeyboardInterrupt):
        with lifetime.uninterrupted():
            _interrupt()
            done.append("first")
        done.append("second")
    assert done == ["first"]


def test_who_ignores_interrupts_goes_on_ignoring_them() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with lifetime.interruptible():
            _interrupt()
            lifetime.heed()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("lose", [_lose_one, lambda: _lose_one() or 1 / 0], ids=["dropped", "turned into another"])
def test_a_grid_ends_at_an_interrupt_that_a_run_has_lost(
    lose: Callable[[], Any], planned: Callable[..., list[Any]], tiny_bert: Path, text_task: Path
) -> None:
    specs = planned(tiny_bert, text_task, "full", seeds=3)
    begun: list[int] = []

    def work(spec: Any, machine: Machine, progress: Any) -> list[Any]:
        begun.append(spec.seed)
        if len(begun) == 2:
            lose()
        return []

    outcomes = engines.get("local").map(work, specs, Machine("cpu", 1), 1, lambda *_: None)
    with lifetime.interruptible(), pytest.raises(KeyboardInterrupt):
        list(outcomes)
    assert len(begun) == 2
