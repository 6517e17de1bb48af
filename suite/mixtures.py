"""How tasks that share a trunk take turns, in words: `uniform`, `temperature:2`, `a=0.7,b=0.3`."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from suite.spec import Mixture, SuiteError


def parse_mixture(sampling: str | None, weights: str | None, tasks_per_step: int | None) -> Mixture | None:
    """Return the mixture that words say: `uniform`, `temperature:2`, `a=0.7,b=0.3`; None where nothing is said.

    Raises:
        SuiteError: the words are none of these.
    """
    if sampling is None and weights is None and tasks_per_step is None:
        return None
    said: dict[str, Any] = {"weights": _numbers("--weights", weights)} if weights else {}
    if tasks_per_step is not None:
        said["tasks_per_step"] = tasks_per_step
    name, _, value = (sampling or "proportional").partition(":")
    if "=" in name:
        said |= {"sampling": "rates", "rates": _numbers("--sampling", name)}
    else:
        said |= {"sampling": name} | ({"temperature": _number("--sampling", value)} if value else {})
    try:
        return Mixture(**said)
    except ValidationError:
        raise SuiteError(
            f"--sampling is '{sampling}', --weights '{weights}', --tasks-per-step {tasks_per_step}; expected "
            "proportional, uniform, temperature:T or TASK=RATE,..., and numbers above 0."
        ) from None


def _numbers(option: str, text: str) -> dict[str, float]:
    pairs = [part.partition("=") for part in text.split(",")]
    return {name.strip(): _number(option, value) for name, _, value in pairs}


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SuiteError(f"{option}: '{text}' is no number; expected for example TASK=0.5.") from None
