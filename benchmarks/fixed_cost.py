"""What a run costs around its training: CPU seconds of the runs after the first in a process.

    .venv/bin/python benchmarks/fixed_cost.py

A run's clock counts the process's own time, phase by phase. What grows with the steps is taken out by two lengths of
training: `training` at no step at all is the set-up, s(0) = s(n) - n (s(m) - s(n)) / (m - n). Looks, predictions and
features are the run's work and are not counted either; all the rest is the fixed cost.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TRANSFER_SUITE_PRECISION="fp32")

from measuring import parser, tell

from suite import evaluation, timing
from suite.environment import Machine
from suite.grid import check_data
from suite.plan import Request, plan
from suite.spec import RunSpec

CELLS = (
    ("bundled/minilm-l6", "wordnet-pos", "full"),
    ("bundled/minilm-l6", "wordnet-pos", "lora"),
    ("bundled/minilm-l6", "wordnet-pos", "linear_probe"),
    ("bundled/tiny-bert", "wordnet-pos", "full"),
    ("bundled/tiny-bert", "wordnet-pos", "linear_probe"),
    ("bundled/tiny-resnet", "digits", "full"),
    ("bundled/tiny-resnet", "digits", "linear_probe"),
)
WORK = ("training", "looks", "predicting", "features")
"""Phases that are a run's work; of `training` what it takes before the first step is not."""

ROWS = 400


def main() -> None:
    """Measure every cell and tell."""
    options = parser(__doc__)
    options.add_argument("--repeats", type=int, default=3, help="runs of each length, after the first")
    options.add_argument("--steps", type=int, nargs=2, default=(4, 12), help="the two lengths of training")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TRANSFER_SUITE_CACHE"] = cache
        cells = {" · ".join(cell): _cell(*cell, asked) for cell in CELLS}
    tell("fixed_cost", {"cpu_seconds": cells, "most": max(cell["fixed"] for cell in cells.values())}, asked)


def _cell(model: str, task: str, strategy: str, asked: argparse.Namespace) -> dict[str, float]:
    """Return the medians of what a cell's runs cost: in all, by phase, and the fixed part."""
    specs = plan(Request((model,), (task,), (strategy,), asked.repeats + 1, "quick", offline=True))
    check_data(specs[:1])
    short, long = ([_of_steps(spec, steps) for spec in specs] for steps in asked.steps)
    _spent(short[0])  # imports, rows and features of the first run are not asked for here
    runs = [(_spent(a), _spent(b)) for a, b in zip(short[1:], long[1:], strict=True)]
    n, m = asked.steps
    set_up = [a["training"] - n * (b["training"] - a["training"]) / (m - n) for a, b in runs]
    trains = strategy != "linear_probe"
    found = {name: statistics.median(a.get(name, 0.0) for a, _ in runs) for name in timing.PHASES}
    found["set-up of training"] = max(0.0, statistics.median(set_up)) if trains else 0.0
    fixed = found["set-up of training"] + sum(found[name] for name in timing.PHASES if name not in WORK)
    told: dict[str, Any] = {"fixed": fixed, **{name: seconds for name, seconds in found.items() if seconds >= 0.001}}
    return {name: round(seconds, 3) for name, seconds in told.items()}


def _of_steps(spec: RunSpec, steps: int) -> RunSpec:
    """Return a run of so many steps on few rows, looked at once."""
    budget = {"epochs": 1.0, "min_steps": steps, "max_steps": steps}
    changed = spec.protocol.model_dump() | {
        "budget": budget,
        "selection": {"looks": 1, "learning_rates": (1.0,)},
        "limits": {"train": ROWS, "validation": 64},
        "precision": "fp32",
    }
    return spec.model_copy(update={"protocol": type(spec.protocol).model_validate(changed)})


def _spent(spec: RunSpec) -> dict[str, float]:
    """Return the CPU seconds of a run by phase, with what it takes to clean up after it."""
    started = time.process_time()
    with timing.measure(time.process_time):
        (result,) = evaluation.evaluate(spec, Machine("cpu", 1), lambda event: None)
    whole = time.process_time() - started
    found = timing.of_cost(result.record.cost)
    return found | {"other": found.get("other", 0.0) + whole - sum(found.values())}


if __name__ == "__main__":
    main()
