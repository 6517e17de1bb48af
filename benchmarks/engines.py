"""How many times faster two workers are than one, on this machine's processes and on Ray; start-up aside.

    python benchmarks/engines.py            two grids of runs of a few seconds each, about three minutes
    python benchmarks/engines.py --repeats 3 --save

Every number of workers carries out 16 runs of one thread each, after one that every worker begins with: imports, the
checkpoint, the data. The clock runs from the last of those first runs to the last of the 16, the store's writing
included. One worker and several are taken in turn, one grid right after the other; the ratio is the median pair's.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from measuring import Pair, parser, ratio, tell

from suite import grid
from suite.environment import count_cores
from suite.plan import Request, plan
from suite.spec import Failure, RunSpec

PROTOCOL = """\
name: small
version: 1
seeds: 1
batch: 16
precision: fp32
budget: {epochs: 1, min_steps: STEPS, max_steps: STEPS}
selection: {looks: 1}
limits: {train: 500, validation: 100}
max_length: 32
"""


@dataclass(frozen=True)
class Grid:
    """What a grid took: until every worker had ended its first run, and for the others, in seconds."""

    first: float
    others: float


def main() -> None:
    """Time both engines and tell."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=16, help="runs of a grid")
    options.add_argument("--steps", type=int, default=20, help="optimiser steps of a run")
    options.add_argument("--repeats", type=int, default=1, help="pairs of grids")
    options.add_argument("--workers", type=int, nargs="+", default=[2, 4], help="numbers that are compared with one")
    options.add_argument("--engine", nargs="+", default=["local", "ray"])
    chosen = options.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    chosen.workers = [number for number in chosen.workers if number <= count_cores()]  # more would share a core
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        protocol = Path(folder) / "small.yaml"
        protocol.write_text(PROTOCOL.replace("STEPS", str(chosen.steps)), encoding="utf-8")
        specs = _plan(protocol, chosen.runs + max(chosen.workers, default=1))
        for engine in chosen.engine:
            found[engine] = _compare(engine, specs, chosen, Path(folder))
    tell("engines", {"engines": found}, chosen)


def _plan(protocol: Path, runs: int) -> list[RunSpec]:
    """Return runs of one checkpoint on one task that differ in nothing but their seeds."""
    return plan(Request(("bundled/tiny-bert",), ("wordnet-pos",), ("full",), runs, str(protocol), offline=True))


def _compare(engine: str, specs: list[RunSpec], options: object, folder: Path) -> dict[str, object]:
    """Return how many times faster each number of workers is than one, and what all of it took."""
    told: dict[str, object] = {}
    runs, repeats, numbers = options.runs, options.repeats, options.workers  # type: ignore[attr-defined]
    for workers in numbers:
        pairs, grids = [], []
        for repeat in range(repeats):
            one, several = (
                _time(engine, specs[: runs + count], count, folder / f"{engine}-{workers}-{count}-{repeat}")
                for count in (1, workers)
            )
            pairs.append(Pair(several.others, one.others))
            grids += [(1, one), (workers, several)]
        told[f"{workers} workers"] = {
            "times_one_worker": ratio(pairs),
            "first_runs_seconds": {
                count: round(statistics.median(grid.first for number, grid in grids if number == count), 2)
                for count in (1, workers)
            },
            "grids": [{"workers": count} | asdict(grid) for count, grid in grids],
        }
    return told


def _time(engine: str, specs: list[RunSpec], workers: int, store: Path) -> Grid:
    """Carry out a grid; its first `workers` outcomes are the workers' first runs, since all runs are equally long."""
    place = grid.Place(str(store), engine, workers, device="cpu", threads=1)
    started, ends = time.perf_counter(), []
    with grid.released(place):
        for outcome in grid.carry_out(specs, place, lambda spec, event: None):
            if isinstance(outcome, Failure):
                sys.exit(outcome.reason)
            ends.append(time.perf_counter())
    print(f"{engine}, {workers} workers: {len(specs)} runs, {ends[-1] - started:.1f} s", file=sys.stderr)
    return Grid(round(ends[workers - 1] - started, 3), round(ends[-1] - ends[workers - 1], 3))


if __name__ == "__main__":
    main()
