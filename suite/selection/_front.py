"""The Pareto front of score, size and cost, and what on it is as good as the best for less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

NOTICEABLE = 0.9
"""A row is smaller or faster if it has at most this share: clocks are noisy, and adapters add a little."""


@dataclass(frozen=True)
class Choice:
    """A row that could be taken: no other is at least as good in M, parameters and seconds and better in one.

    `fits` says that it is within the budget, `apart` whether it is told apart from the best that is: None where there
    is no interval to tell by. Where all tasks are losses, `mean` is the mean loss. `row` is all that makes the row what
    it is.
    """

    label: str
    way: str
    model: str
    revision: str
    init: str
    strategy: str
    mean: float
    interval: tuple[float, float] | None
    params: int | None
    trainable_params: int | None
    seconds: float | None
    fits: bool = True
    apart: bool | None = None
    row: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The row in words."""
        return f"{self.label} ({self.way})"


def pareto(choices: Sequence[Choice], sign: int) -> list[Choice]:
    """Return the choices that no other dominates, best first; `sign` is -1 where less is better."""
    front = [one for one in choices if not any(_dominates(other, one, sign) for other in choices)]
    return sorted(front, key=lambda choice: -sign * choice.mean)


def cheaper(front: Sequence[Choice], best: Choice) -> Choice | None:
    """Return the row that cannot be told apart from the best and is noticeably smaller or faster.

    Of several, one that is neither larger nor slower goes first, then the smallest, then the fastest.
    """
    found = [one for one in front if one.fits and one.apart is False and one.row != best.row]
    found = [one for one in found if min(_shares(one, best)) <= NOTICEABLE]

    def order(one: Choice) -> tuple[bool, float, float]:
        return max(_shares(one, best)) > 1 / NOTICEABLE, _cost(one.params), _cost(one.seconds)

    return min(found, key=order, default=None)


def _shares(one: Choice, best: Choice) -> tuple[float, float]:
    """Return what a row has of the best's parameters and takes of its seconds; 1 where neither is known."""
    pairs = ((_cost(one.params), _cost(best.params)), (_cost(one.seconds), _cost(best.seconds)))
    params, seconds = (1.0 if a == b else a / b if b not in (0, float("inf")) else 0.0 for a, b in pairs)
    return params, seconds


def _dominates(one: Choice, other: Choice, sign: int) -> bool:
    """Return whether a row is at least as good in everything, and better in something; unknown cost is the highest."""
    mine, others = ((sign * c.mean, -_cost(c.params), -_cost(c.seconds)) for c in (one, other))
    return mine != others and all(a >= b for a, b in zip(mine, others, strict=True))


def _cost(value: float | None) -> float:
    return float("inf") if value is None else value
