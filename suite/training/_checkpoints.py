"""What a long training leaves on its way, whole or not at all, and how another process goes on from there.

    <resume>/000012/ state.json       whose it is, how far the fit has come, the sha256 of the other files
                     winner.safetensors   the best learning rate's weights, if one is through
                     watch.json, best.safetensors, checkpoint-480/   of the learning rate that it stopped in

A short training leaves nothing. What is damaged, or of another run, machine or version, is not taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from suite import files
from suite.spec import Precision
from suite.training._parts import Setting

EVERY = 600.0
"""Seconds of training after which a run is long enough for a checkpoint, and then between two."""

STAGE = 60.0
"""Seconds of training after which the end of a stage is worth keeping."""

_STATE = "state.json"
_DRAFT = ".checkpoint-"


@dataclass
class State:
    """How far a fit has come: the precision and rows a micro-batch it has settled on, the learning rates behind it.

    `place` counts the learning rates tried, `tried` says what came of them, `retries` what was tried again and why;
    `best` is the log of the best one, `diverged_at` the first step at which one's loss was no number. `compiled` says
    whether its steps are, None while that is not decided.
    """

    precision: Precision
    size: int
    place: int = 0
    tried: list[dict[str, Any]] = field(default_factory=list)
    retries: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    diverged_at: int | None = None
    compiled: bool | None = None


@dataclass(frozen=True)
class Found:
    """A checkpoint: its folder, how far the fit had come, and Trainer's own folder if it was on its way."""

    folder: Path
    state: State
    trainer: Path | None


class Checkpoints:
    """A run's checkpoints in a folder of its own; without a folder there are none.

    `identity` says what a training depends on; it is asked for only if something is written or found.
    """

    def __init__(self, setting: Setting, identity: Callable[[], str]) -> None:
        self._folder, self._clock, self._identity = setting.resume, setting.clock, identity
        self._staged, self._began = setting.staged, time.monotonic()
        self.trouble: str | None = None

    def due(self) -> bool:
        """Return whether so much has been trained since the last one that another is worth its writing."""
        return self._folder is not None and self._clock.since() >= EVERY

    def due_at_end(self) -> bool:
        """Return whether a training that is through is worth keeping: the next stage needs it."""
        return self._folder is not None and self._staged and time.monotonic() - self._began >= STAGE

    def save(self, state: State, write: Callable[[Path], None]) -> None:
        """Leave a checkpoint in the place of the last one; `write` adds its files to a folder.

        Where the disk does not take it, the training goes on without, and `trouble` says why.
        """
        assert self._folder is not None
        old = self._written()
        try:
            with files.draft(self._folder, _DRAFT) as draft:
                write(draft)
                said = {"identity": self._identity(), "state": asdict(state), "files": _digests(draft)}
                (draft / _STATE).write_text(json.dumps(said), encoding="utf-8")
                for path in sorted(draft.rglob("*"), reverse=True):
                    files.sync(path)
                files.sync(draft)
                number = int(old[-1].name) + 1 if old else 1
                draft.rename(self._folder / f"{number:06d}")  # whole, or not there
                files.sync(self._folder)
        except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors name a full disk so
            self.trouble = str(error).splitlines()[0]
        else:
            for path in old:
                shutil.rmtree(path, ignore_errors=True)
        self._clock.restart()

    def find(self) -> Found | None:
        """Return the last checkpoint that is this run's and whole."""
        for folder in reversed(self._written()):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # damaged: as if it were not there
                said = json.loads((folder / _STATE).read_text(encoding="utf-8"))
                if said["identity"] == self._identity() and said["files"] == _digests(folder):
                    trainer = next(folder.glob("checkpoint-*"), None)
                    return Found(folder, State(**said["state"]), trainer)
        return None

    def _written(self) -> list[Path]:
        if self._folder is None or not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.iterdir() if path.name.isdecimal())


def _digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file of a checkpoint but the state."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != _STATE:
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
