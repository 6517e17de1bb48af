"""What an evaluation is, in frozen types: a task, a protocol, a run and its record.

A RunSpec is the identity of a result. Two runs with equal RunSpecs share one key; change anything
that could move a number and the key changes:

    RunSpec(checkpoint=CheckpointRef(name="org/m", revision="1f3a..."), tasks=(TaskSpec(...),),
            strategy="lora", settings={"learning_rate": 5e-4, "rank": 8}, protocol=Protocol(...), seed=0)

Where things lie on this machine (a folder, a task file) is carried along but never enters the key.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic.json_schema import SkipJsonSchema

SEMANTICS = 1
"""Bumped by hand whenever the same RunSpec would give another number; it is part of every key."""

SCHEMA = 2
"""Version of record.json. Fields are only ever added, and older records keep loading."""

Modality = Literal["text", "image"]
Precision = Literal["fp32", "bf16"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,95}$")]


class SuiteError(Exception):
    """A mistake in the input, told to its author in one sentence with the remedy."""


def unknown(what: str, name: str, known: Iterable[str]) -> SuiteError:
    """Return the error for a name that nobody knows, with the nearest known one."""
    listed = sorted(known)
    near = difflib.get_close_matches(name, listed, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return SuiteError(f"No {what} named '{name}'.{hint} Known: {', '.join(listed) or 'none'}.")


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN."""
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(data: bytes) -> str:
    """Return 'sha256:<hex>' of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@functools.lru_cache(maxsize=256)
def digest_files(files: tuple[tuple[str, str, int, int], ...]) -> str:
    """Return 'sha256:<hex>' over the labels and bytes of files, each given as (label, path, mtime in ns, size).

    Time and size only say whether a file was read before.

    Raises:
        OSError: a file cannot be read.
    """
    total = hashlib.sha256()
    for label, path, _, _ in files:
        with Path(path).open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{label}\0{content}\n".encode())
    return f"sha256:{total.hexdigest()}"


class Strict(BaseModel):
    """A frozen value that refuses unknown fields and wrong types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DatasetRef(Strict):
    """A Hub data set at a commit, or a local builder with its files and their hash.

    `unpinned` says that the task file named no commit and the one of the day was taken.
    """

    path: str
    config: str | None = None
    revision: str | None = None
    data_files: dict[str, str | tuple[str, ...]] | None = None
    license: str | None = None
    source: str | None = None
    unpinned: bool = False


class Carve(Strict):
    """A split taken out of another by row hash: the same row always falls on the same side."""

    origin: str = Field(alias="from", default="train")
    fraction: float = Field(default=0.1, gt=0, lt=1)
    seed: int = 0

    model_config = ConfigDict(populate_by_name=True)


class Splits(Strict):
    """Which split of the data set plays which part, or what of it is carved out."""

    train: str = "train"
    validation: str | Carve = Carve()
    test: str | Carve = "test"


class TaskSpec(Strict):
    """One task: data, columns, metrics. `file` and `lines` only serve error messages."""

    name: Name
    version: int = Field(ge=1)
    superseded_by: str | None = None
    kind: str
    description: str = ""
    dataset: DatasetRef
    splits: Splits = Splits()
    columns: dict[str, str | tuple[str, ...]]
    labels: tuple[str, ...] | None = None
    metrics: tuple[str, ...] = ()
    main: str | None = None
    chance: float | None = None
    delta: float | None = Field(default=None, gt=0)
    limits: dict[Literal["train", "validation", "test"], Annotated[int, Field(ge=1)]] = {}
    cluster: str | None = None
    tags: tuple[str, ...] = ()
    file: SkipJsonSchema[str] = Field(default="", exclude=True)
    lines: SkipJsonSchema[dict[str, int]] = Field(default={}, exclude=True)

    def where(self, *path: str) -> str:
        """Return 'file:line' of a field of the task file, the nearest enclosing one if it has no line."""
        for depth in range(len(path), 0, -1):
            if line := self.lines.get(".".join(path[:depth])):
                return f"{self.file}:{line}"
        return self.file or f"task {self.name}"


class Collection(Strict):
    """Tasks whose mean is M, at a version."""

    name: Name
    version: int = Field(ge=1)
    description: str = ""
    tasks: tuple[Name, ...] = Field(min_length=1)
    protocol: str | None = None


class Budget(Strict):
    """How long to train: `epochs` over the training rows, kept between `min_steps` and `max_steps`."""

    epochs: float = Field(gt=0)
    min_steps: int = Field(ge=1)
    max_steps: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Budget:
        if self.min_steps > self.max_steps:
            raise ValueError("min_steps is above max_steps")
        return self


class Selection(Strict):
    """What is chosen on the validation split, and at how many looks.

    `learning_rates` are multiples of the strategy's own learning rate; `looks` is how often the
    validation score is taken along a run, the best look being kept.
    """

    looks: int = Field(ge=1)
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = (1.0,)


class Protocol(Strict):
    """A named, versioned recipe that every strategy of a comparison shares.

    `precision: auto` is the one that a machine does best, measured once a machine; a record says which it was.
    """

    name: Name
    version: int = Field(ge=1)
    description: str = ""
    seeds: int = Field(ge=1)
    batch: int = Field(ge=1)
    budget: Budget
    selection: Selection
    limits: dict[Literal["train", "validation"], Annotated[int, Field(ge=1)]] = {}
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    max_length: int = Field(default=128, ge=8)
    activation_checkpointing: bool = False
    settings: dict[str, dict[str, JsonValue]] = {}


class CheckpointRef(Strict):
    """A checkpoint and its pin: a Hub commit, or 'sha256:...' over a folder's weights and configs."""

    name: str
    revision: str
    init: Literal["pretrained", "random"] = "pretrained"
    modality: Modality = Field(default="text", exclude=True)
    folder: str | None = Field(default=None, exclude=True)

    @property
    def label(self) -> str:
        """The name as a table shows it."""
        return self.name if self.init == "pretrained" else f"{self.name} (random init)"


class Mixture(Strict):
    """How tasks that share a trunk take turns.

    A task's share of the batches is `proportional` to what it trains alone, `uniform`, proportional to
    that to the power of 1/`temperature` (mT5, arXiv 2010.11934, section 3.1), or as `rates` say.
    `weights` multiply the tasks' losses. Each optimiser step accumulates `tasks_per_step` batches, each
    of one task.
    """

    sampling: Literal["proportional", "uniform", "temperature", "rates"] = "proportional"
    temperature: float = Field(default=1.0, gt=0)
    rates: dict[str, Annotated[float, Field(gt=0)]] = {}
    weights: dict[str, Annotated[float, Field(gt=0)]] = {}
    tasks_per_step: int = Field(default=1, ge=1)


class RunSpec(Strict):
    """Everything that could move a number, and nothing else.

    Several tasks share one trunk, as `mixture` says. `fold` counts the parts that `resample` cuts the
    data into: the fold that is tested on, the bootstrap replicate, the sub-task.
    """

    semantics: int = SEMANTICS
    checkpoint: CheckpointRef
    tasks: tuple[TaskSpec, ...] = Field(min_length=1)
    strategy: str
    settings: dict[str, JsonValue]
    protocol: Protocol
    resample: str = "holdout"
    fold: int = Field(default=0, ge=0)
    mixture: Mixture | None = None
    seed: int = Field(ge=0)

    def key(self, task: str | None = None) -> str:
        """Return the 64-hex address of the record; a run of several tasks has one a task.

        Fields at their default are left out, so that a field added later leaves old keys alone.
        """
        identity: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        identity["semantics"] = self.semantics
        if len(self.tasks) > 1:
            identity["task"] = task
        return hashlib.sha256(canonical_json(identity).encode()).hexdigest()

    def seeds(self) -> dict[str, int]:
        """Return one independent 32-bit seed a role, so that roles never collide by arithmetic."""
        names = "+".join(task.name for task in self.tasks) + (f"#{self.fold}" if self.fold else "")
        return {role: _seed(self.seed, role, names, self.strategy) for role in SEED_ROLES}

    def resample_seed(self) -> int:
        """Return the seed that cuts the data, the same for every checkpoint and strategy."""
        return _seed(self.seed, "resample", "", "")


SEED_ROLES = ("init", "order", "augmentation", "dropout", "split")


def _seed(base: int, role: str, task: str, strategy: str) -> int:
    if role == "init":  # one body a seed: a random twin is the same twin under every strategy and task
        task = strategy = ""
    text = canonical_json([base, role, task, strategy])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


COLLAPSE = 0.05
COLLAPSE_RULE = f"score < chance + {COLLAPSE} * (best - chance)"


class MetricInfo(Strict):
    """What a metric's number means."""

    name: str
    version: int
    greater_is_better: bool
    range: tuple[float | None, float | None]
    chance: float | None

    def is_collapsed(self, score: float) -> bool:
        """Return whether a run of this score learned nothing, by the declared rule; without a chance level none is."""
        best = self.range[1] if self.greater_is_better else self.range[0]
        if self.chance is None or best is None:
            return False
        threshold = self.chance + COLLAPSE * (best - self.chance)
        return score < threshold if self.greater_is_better else score > threshold


class Record(BaseModel):
    """One result as it is kept: what was asked (`spec`), what came out, and what explains it.

    `contamination` says which test rows the training rows hold too (schema 2; empty where nobody looked), and
    `artifact` the sha256 of each file of the kept weights (schema 2; empty where none were kept).

    Unknown fields of newer schemas are kept, never dropped: a store may be read by older versions.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_version: int = SCHEMA
    key: str
    spec: RunSpec
    task: str
    metrics: dict[str, float]
    main: MetricInfo
    collapsed: bool
    collapse_rule: str
    counts: dict[str, int]
    data: dict[str, JsonValue]
    checkpoint: dict[str, JsonValue]
    training: dict[str, JsonValue]
    cost: dict[str, float | int | None]
    environment: dict[str, JsonValue]
    seeds: dict[str, int]
    created: str
    contamination: dict[str, JsonValue] = {}
    artifact: dict[str, str] = {}
    predictions: str = ""
    attempt: int = 1
    parent: str | None = None

    @property
    def score(self) -> float:
        """The value of the main metric."""
        return self.metrics[self.main.name]

    @property
    def precision(self) -> Precision:
        """What numbers it was computed in."""
        return "bf16" if self.environment.get("precision", self.spec.protocol.precision) == "bf16" else "fp32"

    @property
    def task_spec(self) -> TaskSpec:
        """The task that this record scores."""
        return next(task for task in self.spec.tasks if task.name == self.task)


@dataclass(frozen=True)
class Result:
    """A record and its per-example table, as an evaluation gives them and the store keeps them.

    `columns`: `id`, `label`, `prediction`, `scores` (a list of floats a row), and `value`, what the
    example gives to the main metric; where there is something to say also `cluster`, whose examples are not
    independent, and `seen`, whether the training rows hold the example too.

    `weights` is a folder that the store takes over, and `unkept` says why there is none though one was asked for.
    """

    record: Record
    columns: dict[str, list[Any]]
    weights: str | None = None
    unkept: str | None = None


@dataclass(frozen=True)
class Failure:
    """A run that gave no result: which one, the reason in a sentence, the details for a log."""

    spec: RunSpec
    reason: str
    details: str = ""
