"""Large stores made fast: records that hold at every level of `rescore`, written as files from a few templates.

    count = fill(folder, Shape(models=500, tasks=10, strategies=4, seeds=5))

A record of one task, strategy and seed differs from another's in a few texts alone, so that one of each is made by
the library and the others are cut from it. Two records of one task share the difficulty of its examples.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from suite import data, metrics
from suite.spec import (
    COLLAPSE_RULE,
    Budget,
    CheckpointRef,
    DatasetRef,
    MetricInfo,
    Protocol,
    Record,
    RunSpec,
    Selection,
    TaskSpec,
    canonical_json,
    digest,
)

WAYS = ("full", "linear_probe", "lora", "multitask")
CLASSES = ("no", "yes")
PROTOCOL = Protocol(
    name="made",
    version=1,
    seeds=5,
    batch=16,
    budget=Budget(epochs=3, min_steps=10, max_steps=1000),
    selection=Selection(looks=4),
)
_TABLE = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.string()),
        ("prediction", pa.string()),
        ("scores", pa.list_(pa.float32())),
        ("value", pa.float64()),
    ]
)
_NAME, _REVISION, _KEY, _TABLE_DIGEST, _SCORE = "org/MODEL", "REVISION" * 5, "KEY" * 4, "TABLE" * 4, 0.123456789


@dataclass(frozen=True)
class Shape:
    """How many of what a store holds; the first `weighed` tasks score by F1, which takes 8 bytes an example, not a bit.

    Without a model's name a number of `lacking` rows (models from the end) lack the last task.
    """

    models: int
    tasks: int = 10
    strategies: int = 4
    seeds: int = 5
    examples: int = 500
    weighed: int = 0
    lacking: int = 0

    @property
    def records(self) -> int:
        """The number of records."""
        return (self.models * self.tasks - self.lacking) * self.strategies * self.seeds


@dataclass(frozen=True)
class _Template:
    """The canonical JSON of a RunSpec's identity and of a record, with words in the places of what differs."""

    identity: str
    record: str


class _Task:
    """A task with its examples, and what its records look like."""

    def __init__(self, number: int, shape: Shape) -> None:
        random = np.random.default_rng([7, number])
        n = shape.examples
        self.name = f"task-{number:02d}"
        self.main = metrics.info("f1_macro" if number < shape.weighed else "accuracy", 0.5)
        self.hard = random.random(n)
        self.labels = random.integers(0, len(CLASSES), n)
        self.ids = [f"{number:04x}{row:060x}" for row in range(n)]
        self._columns = pa.array(self.ids), pa.array(CLASSES).take(pa.array(self.labels))
        self.templates: dict[tuple[str, int], _Template] = {}

    def spec(self) -> TaskSpec:
        """Return it as a task file would."""
        about: Any = {"kind": "text_classification", "columns": {"text": "text", "label": "label"}, "chance": 0.5}
        source = DatasetRef(path=f"org/{self.name}", revision="d" * 40)
        return TaskSpec(
            name=self.name, version=1, dataset=source, metrics=(self.main.name,), main=self.main.name, **about
        )

    def table(self, right: np.ndarray) -> tuple[bytes, float]:
        """Return the bytes of the table of a run that is right at some of the examples, bool [n], and its score."""
        said = np.where(right, self.labels, 1 - self.labels)
        sure = np.where(right, 0.75, 0.625)
        scores = np.empty((len(said), 2), dtype=np.float32)
        rows = np.arange(len(said))
        scores[rows, said], scores[rows, 1 - said] = sure, 1 - sure
        if self.main.name == "accuracy":
            values = right.astype(np.float64)
        else:
            values = metrics.contributions(self.main.name, self.labels, said, scores)
        ends = pa.array(np.arange(0, 2 * len(said) + 1, 2, dtype=np.int32))
        predictions = pa.array(CLASSES).take(pa.array(said))
        lists = pa.ListArray.from_arrays(ends, pa.array(scores.ravel()))
        table = pa.table([*self._columns, predictions, lists, pa.array(values)], schema=_TABLE)
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        return content.getvalue(), float(metrics.value(self.main.name, self.labels, said, scores))

    def template(self, strategy: str, seed: int) -> _Template:
        """Return what records of a strategy and seed have in common."""
        if (strategy, seed) not in self.templates:
            self.templates[strategy, seed] = _template(self, strategy, seed)
        return self.templates[strategy, seed]


def _template(task: _Task, strategy: str, seed: int) -> _Template:
    spec = RunSpec(
        checkpoint=CheckpointRef(name=_NAME, revision=_REVISION),
        tasks=(task.spec(),),
        strategy=strategy,
        settings={"learning_rate": 2e-5},
        protocol=PROTOCOL,
        seed=seed,
    )
    identity = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"semantics": spec.semantics}
    n = len(task.ids)
    main: MetricInfo = task.main
    record = Record(
        key=_KEY,
        spec=spec,
        task=task.name,
        metrics={main.name: _SCORE},
        main=main,
        collapsed=False,
        collapse_rule=COLLAPSE_RULE,
        counts={"train": 1000, "validation": 100, "test": n, "scored": n, "failed": 0},
        data={"ids_sha256": {"test": data.hash_ids(task.ids)}, "classes": list(CLASSES), "revision": "d" * 40},
        checkpoint={"params": 22_000_000, "trainable_params": 22_000_000},
        training={"steps": 500, "learning_rate": 2e-5},
        cost={"seconds": 12.5, "peak_memory_bytes": 1_000_000_000},
        environment={"device": "cpu", "threads": 1, "libraries": {"torch": "2.14.1", "transformers": "5.23.0"}},
        seeds=spec.seeds(),
        created=f"2026-01-{1 + seed:02d}T00:00:00+00:00",
        predictions=_TABLE_DIGEST,
    )
    text = canonical_json(record.model_dump(mode="json", by_alias=True))
    return _Template(canonical_json(identity), text)


def made(shape: Shape, models: range | None = None) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the name and the files of every record; of the models of a range alone, if one is given."""
    tasks = [_Task(number, shape) for number in range(shape.tasks)]
    for model in models or range(shape.models):
        skill = 0.6 + 0.3 * model / max(shape.models, 2)
        for number, task in enumerate(tasks):
            if number == shape.tasks - 1 and model >= shape.models - shape.lacking:
                continue
            for way in range(shape.strategies):
                for seed in range(shape.seeds):
                    random = np.random.default_rng([number, model, way, seed])
                    noise = random.normal(0.0, 0.05, shape.examples) + random.normal(0.0, 0.01)
                    yield _files(
                        task, f"org/model-{model:05d}", WAYS[way], seed, task.hard + noise < skill + 0.01 * way
                    )


def _files(task: _Task, model: str, way: str, seed: int, right: np.ndarray) -> tuple[str, dict[str, bytes]]:
    template = task.template(way, seed)
    revision = digest(model.encode())[7:47]
    key = digest(template.identity.replace(_NAME, model).replace(_REVISION, revision).encode())[7:]
    table, score = task.table(right)
    text = template.record.replace(_NAME, model).replace(_REVISION, revision).replace(_KEY, key)
    text = text.replace(_TABLE_DIGEST, digest(table)).replace(str(_SCORE), canonical_json(score))
    if task.main.is_collapsed(score):
        text = text.replace('"collapsed":false', '"collapsed":true')
    body = text.encode()
    both = {"record.json": digest(body), "predictions.parquet": digest(table)}
    files = {"record.json": body, "predictions.parquet": table, "digest.json": canonical_json(both).encode()}
    return f"{key}-1", files


def fill(folder: Path, shape: Shape, models: range | None = None) -> int:
    """Write the records below a folder as a store has them and return how many; those of a range of models alone."""
    count = 0
    for name, files in made(shape, models):
        entry = folder / "records" / name[:2] / name
        entry.mkdir(parents=True)
        for file, content in files.items():
            (entry / file).write_bytes(content)
        count += 1
    return count
