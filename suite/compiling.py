"""Whether the steps of a training are compiled by torch: measured once for a body on a machine, kept in the cache.

    <cache>/compiled/<digest of what the times hold for>.json

A short training is never compiled. For a long one its own steps are timed as they are and compiled, the compiling
itself included, and compiled is chosen where the whole is clearly shorter. What is kept are times, so that all
trainings of that body decide alike, each by its own number of steps.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from suite import files
from suite.resources import cache_folder
from suite.spec import SuiteError, canonical_json, digest

if TYPE_CHECKING:
    from torch import nn

LONG = 180.0
"""Seconds that a training must take as it is before compiling it is thought of."""

CLEARLY = 0.9
"""Compiled is chosen where it takes at most this share of the time, compiling included."""

BACKEND, CODE = "inductor", "TORCHINDUCTOR_CACHE_DIR"


@dataclass(frozen=True)
class Pace:
    """The seconds that a step takes, and those that come on top of the first ones: compiling, for one."""

    once: float
    step: float

    def seconds(self, steps: int) -> float:
        """Return how long so many steps take."""
        return self.once + steps * self.step


@dataclass(frozen=True)
class Times:
    """What was measured: the pace as it is, and compiled, or why that failed."""

    eager: Pace
    compiled: Pace | None = None
    failure: str | None = None

    def asks(self, steps: int) -> bool:
        """Return whether the compiled pace is not known and worth knowing for so many steps."""
        return self.compiled is None and self.failure is None and self.eager.seconds(steps) >= LONG

    def favour(self, steps: int) -> bool:
        """Return whether so many steps are long, and clearly shorter when compiled."""
        if self.compiled is None or self.failure is not None:
            return False
        eager = self.eager.seconds(steps)
        return eager >= LONG and self.compiled.seconds(steps) <= CLEARLY * eager


def decide(about: JsonValue, steps: int, measure: Callable[[bool], Pace]) -> bool:
    """Return whether a training of so many steps is compiled.

    Of several processes that ask for the same one measures, and the others wait for what it finds.

    Args:
        about: all that the times hold for: hardware, versions, the body and its batches.
        steps: of the optimiser.
        measure: times some of them, compiled or not; asked for what the cache does not know.

    Raises:
        SuiteError: rows cannot be read.
    """
    path = _path(about)
    with _alone(path):
        known = _read(path)
        try:
            found = known or Times(measure(False))
        except SuiteError:
            raise
        except Exception:  # lack of memory, say: the training itself will meet it, and knows what to do
            return False
        if found.asks(steps):
            found = _with_compiled(found, measure)
        if found != known:
            _write(path, found)
    return found.favour(steps)


def _with_compiled(found: Times, measure: Callable[[bool], Pace]) -> Times:
    try:
        return replace(found, compiled=measure(True))
    except SuiteError:
        raise
    except Exception as error:  # no compiler, a graph that it cannot take: in many ways
        return replace(found, failure=reason(error))


def rule_out(about: JsonValue, why: str) -> None:
    """Keep that compiling failed in a training, so that no other tries."""
    path = _path(about)
    with _alone(path):
        if (known := _read(path)) is not None:
            _write(path, replace(known, failure=why))


def reason(error: BaseException) -> str:
    """Return the first sentence of what an error says, with its name; a line that ends in a colon goes on."""
    said = "no message"
    for place, line in enumerate(str(error).strip().splitlines()):
        said = f"{said} {line.strip()}" if place else line
        if not line.endswith(":"):
            break
    return f"{type(error).__name__}: {said[:300]}"


# -- compiled and not --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def compiled(net: nn.Module, varies: bool) -> Iterator[None]:
    """Have a net's calls compiled for the length of the block; its weights keep their names, dropout its numbers.

    Nothing is tuned by trying, which would round otherwise each time; and the code goes afterwards, so that it does
    not pile up from run to run. `varies` says that batches differ in shape: one code then serves all of them. Torch
    keeps code, pickled: in a folder of this process's own, since what others may write to must run nothing.
    """
    import torch

    ours: dict[str, Any] = {
        "fallback_random": True,
        "deterministic": True,
        "compile_threads": torch.get_num_threads(),
    }
    elsewhere = CODE in os.environ
    os.environ.setdefault(CODE, str(files.own() / "inductor"))
    net.compile(backend=BACKEND, dynamic=varies, options=ours if BACKEND == "inductor" else None)
    try:
        yield
    finally:
        if not elsewhere:
            os.environ.pop(CODE, None)
        vars(net).pop("_compiled_call_impl", None)  # what compile() has set
        torch.compiler.reset()


@contextlib.contextmanager
def as_it_is() -> Iterator[None]:
    """Have what is compiled run as it is: the shapes of a look at validation are not worth a code of their own."""
    import torch

    with torch.compiler.set_stance("force_eager"):
        yield


# -- keeping -----------------------------------------------------------------------------------------------------------


def _path(about: JsonValue) -> Path:
    name = digest(canonical_json(about).encode()).removeprefix("sha256:")
    return cache_folder() / "compiled" / f"{name}.json"


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time in, where the cache can be locked."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield
        return
    try:
        files.lock(held, wait=True)
        yield
    finally:
        os.close(held)


def _read(path: Path) -> Times | None:
    """Return what was measured before; a file that says something else counts as none."""
    with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
        said = json.loads(path.read_text(encoding="utf-8"))
        failure = said["failure"]
        compiled = None if said["compiled"] is None else _pace(said["compiled"])
        return Times(_pace(said["eager"]), compiled, None if failure is None else str(failure))
    return None


def _pace(said: dict[str, Any]) -> Pace:
    found = Pace(float(said["once"]), float(said["step"]))
    if not all(math.isfinite(seconds) and seconds >= 0 for seconds in (found.once, found.step)):
        raise ValueError
    return found


def _write(path: Path, times: Times) -> None:
    """Keep times; where that cannot be they are measured again."""
    with contextlib.suppress(OSError):
        files.write(path, canonical_json(asdict(times)).encode())
