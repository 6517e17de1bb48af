"""One run on several devices: a process for each, which all carry out the same work and train together.

    results = launch(work, machine, progress)      # what work(progress) gives in the first of them

In the processes accelerate finds the others by the environment, as if its own launcher had started them, and Trainer
wraps the model so that gradients are averaged over them. They speak NCCL on GPUs, and gloo on a CPU. If one of them
fails the others, who would wait for it, are ended.
"""

from __future__ import annotations

import contextlib
import datetime
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from suite import files
from suite.environment import Machine
from suite.lifetime import end_with_parent
from suite.spec import SuiteError

Progress = Callable[[dict[str, Any]], None]

PATIENCE = datetime.timedelta(minutes=30)
"""How long a process waits for the others: they read and prepare the same rows, but not at the same pace."""

GRACE = 2.0
"""Seconds in which a failure may turn out to be another's consequence, and in which processes end by themselves."""

_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class _Rank:
    """One of the processes, and the line on which it speaks."""

    number: int
    process: BaseProcess
    line: Connection


@dataclass(frozen=True)
class _Failed:
    """Why a process failed, in a sentence and in detail, and when by the system's clock."""

    sentence: str
    details: str = ""
    when: float = 0.0


def is_first() -> bool:
    """Return whether this process has the results: it is the first of several, or alone."""
    return os.environ.get("RANK", "0") == "0"


def launch(work: Callable[[Progress], Any], machine: Machine, progress: Progress) -> Any:
    """Carry out the same work in `machine.devices` processes; return what it gives in the first.

    Args:
        work: can be pickled; `progress` reaches the caller from the first process alone.
        machine: the device, and how many of them.
        progress: called in this process.

    Raises:
        SuiteError: a process failed or died; the others are ended.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # for the processes: heads that rest are no news
    with files.scratch() as folder:
        ranks: list[_Rank] = []
        try:
            for number in range(machine.devices):
                ranks.append(_start(number, work, machine, folder / "meeting"))
            return _heard(ranks, progress)
        finally:
            _end(ranks)


def _start(number: int, work: Callable[[Progress], Any], machine: Machine, meeting: Path) -> _Rank:
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_carry_out, args=(number, work, machine, meeting, theirs))
    process.start()
    theirs.close()  # its end is the end of the line
    return _Rank(number, process, ours)


def _heard(ranks: list[_Rank], progress: Progress) -> Any:
    """Pass on what the processes say until the first has its result.

    Raises:
        SuiteError: one failed.
    """
    speaking = list(ranks)
    while True:
        for rank, word, said in _words(speaking, None):
            if word == "event":
                progress(said)
            elif word == "failed":
                raise _cause([said, *(other for _, word, other in _words(speaking, GRACE) if word == "failed")])
            elif rank.number == 0:
                return said


def _words(speaking: list[_Rank], seconds: float | None) -> Iterator[tuple[_Rank, str, Any]]:
    """Yield a word of each who speaks, waiting so long for the first; who is through is taken from the list."""
    ready = wait([rank.line for rank in speaking], seconds)
    for rank in [rank for rank in speaking if rank.line in ready]:
        try:
            word, said = rank.line.recv()
        except EOFError:
            rank.process.join(GRACE)
            word, said = "failed", _Failed(_epitaph(rank))
        if word != "event":
            speaking.remove(rank)
        yield rank, word, said


def _epitaph(rank: _Rank) -> str:
    return (
        f"Process {rank.number + 1} of those that share the run died (exit code {rank.process.exitcode}), perhaps for "
        "lack of memory; use fewer devices or a smaller batch."
    )


def _cause(failures: list[_Failed]) -> SuiteError:
    """Return the failure that the others came of: a death, else the earliest."""
    first = min(failures, key=lambda one: one.when)
    error = SuiteError(first.sentence)
    error.__cause__ = RuntimeError(first.details) if first.details else None
    return error


def _end(ranks: list[_Rank]) -> None:
    """See all processes go, and end those that do not."""
    for rank in ranks:
        rank.line.close()
    until = time.monotonic() + GRACE
    for rank in ranks:
        rank.process.join(max(0.0, until - time.monotonic()))
    for rank in ranks:
        rank.process.kill()
        rank.process.join()
        rank.process.close()


# -- in a process of its own -------------------------------------------------------------------------------------------


def _carry_out(number: int, work: Callable[[Progress], Any], machine: Machine, meeting: Path, line: Connection) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this one
    import torch

    first = number == 0
    try:
        _meet(number, machine, meeting)
        result = work((lambda event: line.send(("event", event))) if first else (lambda event: None))
        word: tuple[str, Any] = "result", result if first else None
    except Exception as error:  # told to the parent, whatever it is
        word = "failed", _Failed(_sentence(error), traceback.format_exc(), time.monotonic())
    with contextlib.suppress(OSError):  # nobody listens any more: another one failed, or the first is through
        line.send(word)
    line.close()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _sentence(error: Exception) -> str:
    if isinstance(error, SuiteError):
        return str(error)
    first = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {first[0] if first else 'no message'}"


def _meet(number: int, machine: Machine, meeting: Path) -> None:
    """Join the other processes, and say in the environment which of them this is, as accelerate's launcher does."""
    import torch

    own = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": machine.devices, "LOCAL_WORLD_SIZE": machine.devices}
    os.environ.update({name: str(value) for name, value in own.items()})
    if machine.device == "cuda":
        torch.cuda.set_device(number)
    torch.distributed.init_process_group(
        "nccl" if machine.device == "cuda" else "gloo",
        init_method=meeting.as_uri(),
        rank=number,
        world_size=machine.devices,
        timeout=PATIENCE,
    )
