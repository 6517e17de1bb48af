"""Records and kept weights made by hand, of which cards are written: what the golden cards are made of, and more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from made_records import LOSS, PROTOCOL, made

from suite import artifacts
from suite.artifacts import About
from suite.cards import Card, card, kept_card
from suite.index import Contents, entry_of
from suite.spec import CheckpointRef, DatasetRef, Protocol, Result
from suite.store import Store

COMMIT = "1f3a" * 10
DESCRIBED = Protocol.model_validate(PROTOCOL.model_dump() | {"name": "standard", "description": "What all share."})
GLUE: dict[str, Any] = {
    "dataset": DatasetRef(path="nyu-mll/glue", config="sst2", revision="bcdc" * 10, license="other"),
    "splits": {"train": "train", "test": "validation"},
    "description": "Is a film review snippet positive?",
}
BANKING: dict[str, Any] = {"dataset": DatasetRef(path="org/banking", revision="ab12" * 10, license="cc-by-4.0")}
OWN: dict[str, Any] = {
    "dataset": DatasetRef(
        path="csv", revision=f"sha256:{'7' * 64}", data_files={"train": "train.csv"}, source="https://example.org/own"
    )
}
MACHINE: dict[str, Any] = {"device": "cpu", "threads": 1, "python": "3.11.7", "libraries": {"torch": "2.14.1"}}
LOOKED: dict[str, Any] = {
    "method": "minhash",
    "version": 1,
    "thresholds": {"jaccard": 0.8},
    "train_rows": 180,
    "test_rows": 80,
    "exact": 3,
    "near": 1,
    "other_label": 0,
    "clean": {"n": 76, "metrics": {"accuracy": 0.7}},
}


def values(rate: float, seed: int, salt: int, n: int = 80) -> np.ndarray:
    """Return which examples are right, [n]: as many as `rate` says, the hard ones the same for all."""
    hard = np.random.default_rng(salt).random(n)
    noise = np.random.default_rng([salt, seed, round(100 * rate)]).normal(0, 0.1, n)
    return (hard + noise < rate).astype(float)


def runs(model: str, task: str, rate: float, salt: int, seeds: int = 3, init: Any = "pretrained", **more: Any) -> Any:
    """Return results of a checkpoint on a task, one a seed."""
    checkpoint = CheckpointRef(name=model, revision=COMMIT, init=init)
    given = {"spec_fields": {"checkpoint": checkpoint}, "protocol": DESCRIBED, "environment": MACHINE} | more
    return [made(model, task, values(rate, seed, salt), seed=seed, **given) for seed in range(seeds)]


def checkpoint() -> list[Result]:
    """Return the records of a checkpoint in two ways on four tasks, and of its twin of random weights."""
    looked = {"contamination": LOOKED, "columns": {"seen": [True] * 4 + [False] * 76}}
    found: list[Result] = []
    for way, skill in (("full", 0.9), ("lora", 0.85)):
        found += runs("org/m", "sst2", skill, 1, strategy=way, task_fields=GLUE, **looked)
        found += runs("org/m", "banking", skill - 0.1, 2, strategy=way, task_fields=BANKING)
        found += runs("org/m", "own", skill - 0.2, 3, 1, strategy=way, task_fields=OWN)
        found += runs("org/m", "distance", skill, 4, strategy=way, main=LOSS, task_fields=BANKING)
    found += runs("org/m", "sst2", 0.55, 1, init="random", task_fields=GLUE, collapsed=True, **looked)
    found += runs("org/m", "banking", 0.5, 2, init="random", task_fields=BANKING)
    found += runs("org/m", "own", 0.5, 3, init="random", task_fields=OWN)
    for result in found:
        if result.record.task == "banking":  # whose runs measured something else beside the main metric
            result.record.metrics["f1_macro"] = round(result.record.score - 0.03, 6)
    return found + runs("org/other", "sst2", 0.4, 1, task_fields=GLUE)


HOSTILE = "<script>alert(1)</script> | `rm -rf` [x](javascript:alert(2)) ![y](http://evil.example/z.png) *a* _b_ $c$"
BREAKOUT = "x\n\n# Title\n\n---\n<!-- transfer-suite:end --> ``` </details> https://evil.example www.evil.example a@b.c"


def hostile() -> list[Result]:
    """Return the records of a checkpoint whose every text tries to be more than text."""
    fields = {
        "description": BREAKOUT,
        "dataset": DatasetRef(path="org/data", revision="c" * 40, license=HOSTILE, source=BREAKOUT),
    }
    protocol = Protocol.model_validate(PROTOCOL.model_dump() | {"description": HOSTILE})
    machine = {"device": HOSTILE, "libraries": {BREAKOUT: HOSTILE}}
    more = {"protocol": protocol, "environment": machine, "task_fields": fields}
    settings = {"settings": {"what": HOSTILE, "why": BREAKOUT}}
    found = []
    for strategy in ("full", HOSTILE):
        for name in (HOSTILE, BREAKOUT):
            spec = {"checkpoint": CheckpointRef(name=name, revision=COMMIT), **settings}
            found += [
                made(name, "t", values(0.7, s, 1), seed=s, strategy=strategy, spec_fields=spec, **more) for s in (0, 1)
            ]
    return found


def contents(results: list[Result]) -> Contents:
    """Return what a store of results would hold."""
    return Contents([entry_of(result.record, result.columns) for result in results])


def keep(store: Store, result: Result, folder: Path, **about: Any) -> str:
    """File a result with weights that are none; return its key."""
    record = result.record
    library = about.get("library", "peft")
    files = {"peft": "adapter_model", "safetensors": "head"}
    folder.mkdir(parents=True)
    (folder / f"{files.get(library, 'model')}.safetensors").write_bytes(b"none")
    told: dict[str, Any] = {
        "library": library,
        "load": "peft.PeftModel.from_pretrained(base, folder)",
        "auto": "AutoModelForSequenceClassification",
        "base": record.spec.checkpoint,
        "init_seed": 7,
        "strategy": record.spec.strategy,
        "settings": {},
        "task": record.task,
        "kind": record.task_spec.kind,
        "classes": tuple(record.data["classes"]),  # type: ignore[arg-type]
        "max_length": 128,
        "precision": "fp32",
        "key": record.key,
    }
    artifacts.write_about(About(**told | about), folder)
    return store.put(replace(result, weights=str(folder))).key


def adapter(folder: Path) -> tuple[Store, str]:
    """Return a store of three runs with LoRA, and the key of the one that kept its adapter."""
    store = Store(str(folder / "store"))
    data = {"ids_sha256": {"test": "t"}, "rows_sha256": {"train": "p"}, "classes": ["bad", "good"]}
    seen = {"seen": [True] * 4 + [False] * 76}
    more = {"strategy": "lora", "task_fields": GLUE, "contamination": LOOKED, "data": data, "columns": seen}
    first, *others = runs("org/m", "sst2", 0.85, 1, training={"max_length": 128}, **more)
    for other in others:
        store.put(other)
    return store, keep(store, first, folder / "weights")


GOLDEN: dict[str, Callable[[Path], Card]] = {
    "checkpoint": lambda folder: card(contents(checkpoint()), "org/m"),
    "hostile": lambda folder: card(contents(hostile()), HOSTILE),
    "adapter": lambda folder: kept_card(*adapter(folder), repo="org/m-sst2-lora", licence="apache-2.0"),
}
"""The golden cards by name; each is made in an empty folder."""


def written(made_card: Card) -> dict[str, str]:
    """Return the golden files of a card: its Markdown, and its files of results together."""
    results = "\n".join(f"# {path}\n{text}" for path, text in made_card.eval_results.items())
    return {".md": made_card.text, ".eval_results.yaml": results or json.dumps([])}
