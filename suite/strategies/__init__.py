"""Strategies, one file each: what of a checkpoint is trained, and its default recipe.

A strategy knows no kind. `get("lora")` imports `suite/strategies/lora.py` and returns its `STRATEGY`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from suite import plugins
from suite.spec import Modality, Precision, Protocol, RunSpec, SuiteError, unknown

if TYPE_CHECKING:
    from suite.data import Prepared
    from suite.models import Model
    from suite.outputs import Outputs

Settings = dict[str, JsonValue]


@dataclass(frozen=True)
class Part:
    """One task of a job: its rows as the model takes them, what the head gives, and how that is scored.

    `target` and `per_token` are the kind's; `score(outputs)` is the main metric on the validation split,
    larger being better. `identity` says what the rows' features depend on, the rows aside: weights,
    processor, precision, machine settings. `classes` are the names of the outputs, where they are classes.
    `uncut()` gives the splits before they were cut and limited, where they were cut.
    """

    target: str
    n_outputs: int
    per_token: bool
    train: Prepared
    validation: Prepared
    test: Prepared
    collate: Callable[[list[dict[str, Any]]], dict[str, Any]]
    score: Callable[[Outputs], float]
    identity: Mapping[str, JsonValue]
    classes: tuple[str, ...] = ()
    uncut: Callable[[], tuple[Prepared, ...]] | None = None

    @property
    def splits(self) -> tuple[Prepared, Prepared, Prepared]:
        """Train, validation and test."""
        return self.train, self.validation, self.test


@dataclass(frozen=True)
class Job:
    """One adaptation: the model to be and its tasks by name.

    `build()` makes the same fresh model each time it is called, and `builds` each task's model of its own,
    of which `build()` shares the trunk. `stages` are one task's parts that the same model is trained on in
    turn, all tested on the same rows; there is one stage unless the data is cut so. `resume` is a folder, which
    need not exist, for what a long training leaves on its way: one that finds something there goes on from it.
    `devices` processes, of which this is one, train the same model together.
    """

    spec: RunSpec
    parts: Mapping[str, Part]
    build: Callable[[], Model]
    seeds: Mapping[str, int]
    device: str
    precision: Precision
    progress: Callable[[dict[str, Any]], None]
    stages: tuple[Part, ...] = ()
    builds: Mapping[str, Callable[[], Model]] = field(default_factory=dict)
    resume: Path | None = None
    devices: int = 1

    @property
    def part(self) -> Part:
        """The only task of a strategy that takes one at a time."""
        (part,) = self.parts.values()
        return part

    @property
    def reading(self) -> Precision:
        """What frozen features are computed in: where a protocol names a precision itself it means the training."""
        return self.precision if self.spec.protocol.precision == "auto" else "fp32"


@dataclass(frozen=True)
class Adapted:
    """What an adaptation gives: outputs of each task's test rows, sizes, and a log to record.

    `tested` replaces the test rows where others were tested (episodes), each among `told_apart` classes.
    `save(task, folder)` writes what was trained for a task, as `Strategy.restore` reads it; there is none
    where nothing outlives the run.
    """

    outputs: Mapping[str, Outputs]
    trainable_params: int
    total_params: int
    log: dict[str, Any]
    tested: Prepared | None = None
    told_apart: int | None = None
    stages: Stages | None = None
    save: Callable[[str, Path], None] | None = None


@dataclass(frozen=True)
class Kept:
    """Weights that `Adapted.save` wrote, and what it takes to use them.

    `build()` makes the fresh model of the task from the base checkpoint, as training had it; `auto` is the
    auto class of a checkpoint of transformers, None of timm's. The rest is as in `Part` and `Protocol`.
    """

    folder: Path
    settings: Settings
    build: Callable[[], Model]
    auto: str | None
    collate: Callable[[list[dict[str, Any]]], dict[str, Any]]
    per_token: bool
    n_outputs: int
    precision: Precision
    device: str


@dataclass(frozen=True)
class Stages:
    """What a model gave on its way through the stages: outputs after each, and scores on validation.

    `outputs[i]` are those of the test rows after i stages, `validation[i][j]` is the score on stage j's
    validation rows; i = 0 is the model with its untrained head.
    """

    outputs: list[Outputs]
    validation: list[list[float]]


class Strategy(ABC):
    """What every strategy owns. Classes are stateless and light to import.

    `joint` says that several tasks may share a trunk; `targets` which kinds of target it can fit (all
    where it is empty); `resamples` how the data may be cut; `seeded` that seeds make a difference to a
    pre-trained checkpoint; `own_rows` that it tests on rows of its own making, so that its scores share a
    board with no other's; `spreads` that several devices can share a training. `keeps` is what of its weights
    can be kept, if anything can, and `unkept` are ways to cut the data that leave none. `instead` is what to
    tell whoever asks for more.
    """

    joint: bool = False
    targets: tuple[str, ...] = ()
    resamples: tuple[str, ...] = ("holdout", "kfold", "bootstrap", "partition")
    seeded: bool = True
    own_rows: bool = False
    spreads: bool = False
    keeps: Literal["model", "adapter", "head"] | None = None
    unkept: tuple[str, ...] = ()
    instead: str = "use -s full or -s lora"

    @abstractmethod
    def recipe(self, modality: Modality) -> Settings:
        """Return the default settings; a protocol may set others, and the result is in the RunSpec."""

    @abstractmethod
    def fit(self, job: Job) -> Adapted:
        """Adapt the checkpoint to the tasks and predict their test rows."""

    def restore(self, kept: Kept) -> Callable[[Prepared], Outputs]:
        """Return what answers to rows as the model did whose weights were kept.

        Raises:
            SuiteError: the weights cannot be loaded.
        """
        raise SuiteError("This strategy keeps no weights.")

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
