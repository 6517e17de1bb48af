"""A store of tiny runs that kept their weights, made once for all tests that ask them."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from every_kind import IMAGES, TEXTS, write_tasks

import suite
from suite import evaluation, kinds
from suite.spec import Record, Result
from suite.store import Store

WAYS = {
    "full": (*TEXTS, *IMAGES),
    "lora": ("text_classification", "token_classification", "question_answering", "image_classification"),
    "linear_probe": ("text_classification", "text_similarity", "multiple_choice", "image_classification"),
}
"""Which kinds each strategy is run on."""

CASES = [(kind, way) for way, names in WAYS.items() for kind in names]


@dataclass(frozen=True)
class KeptRuns:
    """The store, where tasks and checkpoints lie, and the record of each kind and strategy."""

    store: Store
    tasks: dict[str, Path]
    models: dict[str, Path]
    records: dict[tuple[str, str], Record]

    def base(self, kind: str) -> Path:
        """Return the folder of the checkpoint that was adapted."""
        return self.models["image" if kind in IMAGES else "text"]

    def folder(self, kind: str, way: str) -> Path:
        """Return the folder of kept weights."""
        key = self.records[kind, way].key
        return Path(self.store.url) / "records" / key[:2] / f"{key}-1" / "weights"

    def result(self, kind: str, way: str) -> Result:
        """Return the record with its table."""
        return self.store.result(self.records[kind, way].key)

    def inputs(self, kind: str, way: str) -> list[dict[str, Any]]:
        """Return the test rows as inputs, without what is asked for."""
        spec = self.records[kind, way].spec
        task = spec.tasks[0].model_copy(update={"file": str(self.tasks[kind])})
        columns = evaluation.load_rows(task, spec)[-1].test.columns
        needed = [name for name in columns if name not in ("label", "labels", "score", "tags", "answers")]
        assert set(kinds.get(kind).needs) - {"label", "labels", "score", "tags", "answers"} <= set(needed)
        return [dict(zip(needed, cells, strict=True)) for cells in zip(*(columns[n] for n in needed), strict=True)]


@functools.cache
def kept_runs(text_model: Path, image_model: Path, protocol: Path) -> KeptRuns:
    """Return the runs, carried out the first time that somebody asks."""
    folder = Path(tempfile.mkdtemp(prefix="transfer-suite-kept-"))
    tasks = write_tasks(folder)
    place = {"protocol": str(protocol), "store": folder / "store", "device": "cpu", "threads": 1, "seeds": 1}
    records = {}
    for way, names in WAYS.items():
        words = [str(tasks[name]) for name in names]
        report = suite.run((str(text_model), str(image_model)), words, way, keep_weights=True, **place)
        assert not report.failures
        records |= {(r.task_spec.kind, way): r for r in report.records}
    return KeptRuns(Store(str(folder / "store")), tasks, {"text": text_model, "image": image_model}, records)
