"""Advice in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from suite.selection._advice import Advice
    from suite.selection._front import Choice


def sentence(advice: Advice, choices: Sequence[Choice]) -> str:
    """Return which row to take, or why there is none."""
    if not choices:
        names = ", ".join(advice.provisional)
        return f"No row has scores on all of {', '.join(advice.tasks)}; these lack some: {names}. Run what they lack."
    if advice.best is None:
        return _nothing_fits(advice, choices)
    fitting = [choice for choice in choices if choice.fits]
    among = f"of {len(fitting)} rows" if len(fitting) > 1 else "row"
    within = f" within {budget(advice)}" if budget(advice) else ""
    rank = f"the best {among}{within}" if len(fitting) > 1 else f"the only {among}{within}"
    if advice.beside is None:
        return f"Take {advice.best.name}, {rank}, with {_score(advice, advice.best)}{_unsure(advice, choices)}."
    return (
        f"{advice.best.name} is {rank} with {_score(advice, advice.best)}; {advice.beside.name} {_savings(advice)} and "
        f"cannot be told apart from it ({_score(advice, advice.beside)}): take that one where size or time counts."
    )


def budget(advice: Advice) -> str:
    """Return the budget in words, empty where there is none."""
    parts = []
    if advice.max_params is not None:
        parts.append(f"{parameters(advice.max_params)} parameters")
    if advice.max_seconds is not None:
        parts.append(f"{advice.max_seconds:g} s a run")
    return " and ".join(parts)


def _nothing_fits(advice: Advice, choices: Sequence[Choice]) -> str:
    def excess(choice: Choice) -> float:
        pairs = ((choice.params, advice.max_params), (choice.seconds, advice.max_seconds))
        return max(float("inf") if value is None else value / most for value, most in pairs if most is not None)

    nearest = min(choices, key=excess)
    return (
        f"No row fits {budget(advice)}; the nearest is {nearest.name} with {parameters(nearest.params)} parameters, "
        f"{_seconds(nearest)} and {_score(advice, nearest)}."
    )


def _unsure(advice: Advice, choices: Sequence[Choice]) -> str:
    """Say which other rows cannot be told apart from the best."""
    assert advice.best is not None
    best = advice.best.row
    others = [choice.name for choice in choices if choice.fits and choice.apart is False and choice.row != best]
    return f" (not told apart from {', '.join(others)})" if others else ""


def _savings(advice: Advice) -> str:
    """Say what the row beside the best has of its parameters and takes of its seconds."""
    best, other = advice.best, advice.beside
    assert best is not None
    assert other is not None
    parts = []
    if best.params and other.params:
        share = other.params / best.params
        parts.append("has as many parameters" if share == 1 else f"has {_percent(share)} of its parameters")
    if best.seconds and other.seconds:
        parts.append(f"takes {_percent(other.seconds / best.seconds)} of its time")
    return ", ".join(parts) or "costs less"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.01 else f"{100 * share:.1g}%"


def _score(advice: Advice, choice: Choice) -> str:
    scale, form, name = (1, ".4g", "a mean loss of ") if advice.losses else (100, ".1f", "M ")
    half = "" if choice.interval is None else f" ±{scale * (choice.interval[1] - choice.interval[0]) / 2:{form}}"
    return f"{name}{scale * choice.mean:{form}}{half}"


def _seconds(choice: Choice) -> str:
    return "unknown time" if choice.seconds is None else f"{choice.seconds:.1f} s a run"


def parameters(n: int | None) -> str:
    """Return a count of parameters: '22.6M', '810k'."""
    if n is None:
        return "an unknown number of"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g}{unit}"
    return str(n)
