"""How many records a minute `suite verify` rescores, on one core and without torch.

    python benchmarks/verify.py --records 1000

Writes a store of made records of 500 to 2,000 test examples, two to ten classes and four metrics each (or takes the
store that is named), verifies all of it and prints records a minute. Making the store is not timed.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from suite import data, metrics
from suite.spec import (
    COLLAPSE_RULE,
    Budget,
    CheckpointRef,
    DatasetRef,
    Protocol,
    Record,
    Result,
    RunSpec,
    Selection,
    TaskSpec,
)
from suite.store import Store
from suite.verification import summarise, verify

METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "matthews_correlation")
BUDGET = Budget(epochs=1, min_steps=1, max_steps=2)
PROTOCOL = Protocol(name="made", version=1, seeds=5, batch=4, budget=BUDGET, selection=Selection(looks=1))


def result(number: int) -> Result:
    """Return a made result whose every derived part is true."""
    generator = np.random.default_rng(number)
    n, k = int(generator.integers(500, 2001)), int(generator.integers(2, 11))
    labels = generator.integers(0, k, n)
    logits = generator.normal(size=(n, k)) + 2.0 * np.eye(k)[labels]
    scores = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    said = scores.argmax(1)
    classes = [f"class {place}" for place in range(k)]
    ids = [f"{number:08x}{row:012x}" for row in range(n)]
    about: Any = {"name": "made", "version": 1, "kind": "text_classification", "columns": {"text": "t", "label": "l"}}
    task = TaskSpec(dataset=DatasetRef(path="o/d", revision="0" * 40), metrics=METRICS, main=METRICS[0], **about)
    checkpoint = CheckpointRef(name="o/m", revision="0" * 40)
    spec = RunSpec(checkpoint=checkpoint, tasks=(task,), strategy="full", settings={}, protocol=PROTOCOL, seed=number)
    main = metrics.info(METRICS[0], 1 / k)
    values = {name: metrics.value(name, labels, said, scores) for name in METRICS}
    record = Record(
        key=spec.key(),
        spec=spec,
        task="made",
        metrics=values,
        main=main,
        collapsed=main.is_collapsed(values[METRICS[0]]),
        collapse_rule=COLLAPSE_RULE,
        counts={"train": 1000, "validation": 100, "test": n, "scored": n, "failed": 0},
        data={"ids_sha256": {"test": data.hash_ids(ids)}, "classes": classes, "revision": "0" * 40},
        checkpoint={"params": 1000, "trainable_params": 10},
        training={},
        cost={"seconds": 1.0},
        environment={},
        seeds=spec.seeds(),
        created="2026-01-01T00:00:00+00:00",
    )
    columns = {
        "id": ids,
        "label": [classes[place] for place in labels],
        "prediction": [classes[place] for place in said],
        "scores": scores.tolist(),
        "value": metrics.contributions(METRICS[0], labels, said, scores).tolist(),
    }
    return Result(record, columns)


def timed(store: str) -> dict[str, Any]:
    """Return how fast all records of a store are verified."""
    started = time.perf_counter()
    summary = summarise(list(verify(store)))
    seconds = time.perf_counter() - started
    total = summary.held + summary.failed
    return {
        "records": total,
        "held": summary.held,
        "seconds": round(seconds, 2),
        "records_a_minute": round(60 * total / seconds),
        "torch_loaded": "torch" in sys.modules,
    }


def main() -> None:
    """Make a store where none is named, verify it and print the speed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("store", nargs="?", help="a store to verify; by default one is made")
    parser.add_argument("--records", type=int, default=1000)
    options = parser.parse_args()
    if options.store:
        print(json.dumps(timed(options.store), indent=2))
        return
    with tempfile.TemporaryDirectory() as folder:
        store = Store(str(Path(folder) / "store"))
        for number in range(options.records):
            store.put(result(number))
        print(json.dumps(timed(store.url), indent=2))


if __name__ == "__main__":
    main()
