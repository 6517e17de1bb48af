"""Strategies, one file each: what of a checkpoint is trained, and its default recipe.

A strategy knows no kind. `get("lora")` imports `suite/strategies/lora.py` and returns its `STRATEGY`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from suite import plugins
from suite.spec import Modality, Protocol, RunSpec, SuiteError, unknown

if TYPE_CHECKING:
    import numpy as np

    from suite.data import Prepared
    from suite.models import Model

Settings = dict[str, JsonValue]


@dataclass(frozen=True)
class Job:
    """One adaptation: the model to be, the rows as the model takes them, and how it is scored.

    `build()` makes the same fresh model each time it is called; `score(logits)` is the main metric
    on the validation split, larger being better. `identity` says what the rows' features depend on,
    the rows aside: weights, processor, precision, machine settings.
    """

    spec: RunSpec
    n_outputs: int
    max_length: int
    build: Callable[[], Model]
    train: Prepared
    validation: Prepared
    test: Prepared
    collate: Callable[[list[dict[str, Any]]], dict[str, Any]]
    score: Callable[[np.ndarray], float]
    seeds: Mapping[str, int]
    device: str
    progress: Callable[[dict[str, Any]], None]
    identity: Mapping[str, JsonValue]

    @property
    def splits(self) -> tuple[Prepared, Prepared, Prepared]:
        """Train, validation and test."""
        return self.train, self.validation, self.test


@dataclass(frozen=True)
class Adapted:
    """What an adaptation gives: logits of the test rows fp32 [n, k], sizes, and a log to record."""

    logits: np.ndarray
    trainable_params: int
    total_params: int
    log: dict[str, Any]


class Strategy(ABC):
    """What every strategy owns. Classes are stateless and light to import."""

    @abstractmethod
    def recipe(self, modality: Modality) -> Settings:
        """Return the default settings; a protocol may set others, and the result is in the RunSpec."""

    @abstractmethod
    def fit(self, job: Job) -> Adapted:
        """Adapt the checkpoint to the task and predict its test rows."""

    def check(self, settings: Settings) -> None:  # noqa: B027  # most strategies have nothing to refuse
        """Refuse settings that the strategy cannot follow, before anything runs.

        Raises:
            SuiteError: a setting has a value that means nothing.
        """


def names() -> list[str]:
    """Return the known strategies."""
    return plugins.names("strategies")


def get(name: str) -> Strategy:
    """Return a strategy by name.

    Raises:
        SuiteError: nobody knows the name.
    """
    strategy = plugins.load("strategies", name).STRATEGY
    assert isinstance(strategy, Strategy)
    return strategy


def settings(name: str, modality: Modality, protocol: Protocol) -> Settings:
    """Return a strategy's settings under a protocol: its default recipe, overridden where the protocol says so.

    Raises:
        SuiteError: the protocol sets something that the strategy does not have.
    """
    strategy = get(name)
    recipe = strategy.recipe(modality)
    for setting, value in protocol.settings.get(name, {}).items():
        if setting not in recipe:
            raise SuiteError(f"Protocol '{protocol.name}': {unknown(f'setting of {name}', setting, recipe)}")
        if not _same_type(recipe[setting], value):
            raise SuiteError(
                f"Protocol '{protocol.name}': {name}.{setting} is {value!r}; "
                f"expected something like {recipe[setting]!r}."
            )
        recipe[setting] = value
    strategy.check(recipe)
    return recipe


def _same_type(default: JsonValue, value: JsonValue) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    numbers = (int, float)
    return isinstance(value, numbers) if isinstance(default, float) else isinstance(value, type(default))
