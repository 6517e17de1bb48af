"""What goes into a training and what comes out: parts of a mixture, the setting, the fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.models import Model
from suite.outputs import Outputs
from suite.spec import Mixture, Precision

Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Part:
    """One task's share of a mixture, as kinds prepare it, and how its validation outputs are scored."""

    train: Sequence[dict[str, Any]]
    train_lengths: Sequence[int]
    validation: Sequence[dict[str, Any]]
    collate: Collate
    score: Callable[[Outputs], float]
    per_token: bool = False


class Clock:
    """When a run began, or last left a checkpoint, in seconds of this process."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def since(self) -> float:
        """Return the seconds since then."""
        return time.monotonic() - self.last

    def restart(self) -> None:
        """Count from now on."""
        self.last = time.monotonic()


@dataclass(frozen=True)
class Setting:
    """Around a training: seeds by role (`order`, `dropout`), device and precision, whom to tell, how tasks mix.

    `resume` is a folder, which need not exist, where a long training leaves checkpoints and goes on from the last
    one. Whoever gives it takes it away when the training is of no more use. `run` says whose it is, so that no
    other run goes on from there; `clock` is the run's, and `staged` says that more trainings of it follow.
    `devices` processes, of which this is one, train together; they leave no checkpoints.
    """

    seeds: Mapping[str, int]
    device: str
    precision: Precision
    progress: Progress
    mixture: Mixture = field(default_factory=Mixture)
    resume: Path | None = None
    run: str = ""
    staged: bool = False
    clock: Clock = field(default_factory=Clock)
    devices: int = 1


@dataclass
class Fit:
    """A trained model and what is worth recording of how it came about."""

    model: Model
    log: dict[str, Any] = field(default_factory=dict)
