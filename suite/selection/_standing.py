"""Who races, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entrant:
    """A checkpoint in a race."""

    model: str
    revision: str
    init: str


@dataclass(frozen=True)
class Standing:
    """Where one checkpoint stands.

    `state` is leading, in the race, removed or failed. `mean` is M over the tasks that it has run so far, None where it
    has run none; of a `loss` it is minus the mean loss, so that more is better. `behind` says how far it lay behind the
    leader when it was removed (first runs that collapsed not held against it), `margin` what chance explains, `phase`
    and `at` after how many tasks, or seeds of all tasks, that was.
    """

    model: str
    revision: str
    init: str
    label: str
    state: str
    mean: float | None
    tasks: int
    runs: int
    loss: bool = False
    phase: str | None = None
    at: int | None = None
    behind: float | None = None
    margin: float | None = None
    reason: str | None = None

    @property
    def words(self) -> str:
        """The state as a table shows it."""
        if self.state == "removed":
            when = f"{self.at} {self.phase}" if self.at != 1 else f"1 {str(self.phase)[:-1]}"
            return f"removed after {when}: {behind_words(self.behind, self.margin, self.loss)}"
        return f"failed: {self.reason}" if self.state == "failed" else self.state

    @property
    def score(self) -> str:
        """The mean as a table shows it: in points, or a loss in its own unit."""
        if self.mean is None:
            return "-"
        return f"{-self.mean:.4g}" if self.loss else f"{100 * self.mean:.1f}"


def behind_words(behind: float | None, margin: float | None, loss: bool) -> str:
    """Return how far one lay behind and what chance explains of that, in points, or a loss in its own unit."""
    assert behind is not None
    assert margin is not None
    told = [f"{value:.3g}" if loss else f"{100 * value:.1f}" for value in (behind, margin)]
    return f"{told[0]} behind, chance explains {told[1]}"
