"""What is asked for, and how far it is."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from suite.spec import Strict

State = Literal["pending", "running", "done", "failed"]
STATES: tuple[State, ...] = ("pending", "running", "done", "failed")


class Submission(Strict):
    """What is asked for: a checkpoint at a commit, under one strategy, on the tasks of a collection."""

    id: str = Field(pattern=r"^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$")
    model: str = Field(max_length=200)
    revision: str = Field(max_length=100)
    strategy: str = Field(max_length=100)
    collection: str = Field(max_length=100)
    protocol: str = Field(max_length=100)
    tasks: tuple[str, ...]
    runs: int
    created: str

    @property
    def word(self) -> str:
        """The checkpoint as the command line takes it, pinned."""
        return self.model if self.revision.startswith("sha256:") else f"{self.model}@{self.revision}"

    def is_like(self, other: Submission) -> bool:
        """Return whether both ask for the same."""
        ours, theirs = ((one.model, one.revision, one.strategy, one.collection, one.protocol) for one in (self, other))
        return ours == theirs


@dataclass(frozen=True)
class Queued:
    """A submission and how far it is: since when, and what came of it."""

    submission: Submission
    state: State = "pending"
    since: str = ""
    note: str = ""


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return a name for a submission: ids sort by time."""
    return f"{now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
