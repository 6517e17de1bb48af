"""How long a leaderboard of many records takes and how much memory, and its index: made, extended, unchanged.

    python benchmarks/boards.py                                  1,000 and 10,000 records
    python benchmarks/boards.py --records 100000 --save          some minutes
    python benchmarks/boards.py --weighed 5 --examples 1000      half of the tasks by F1: 8 bytes an example, not a bit
    python benchmarks/boards.py --verify                         rescores all records of the largest store too

Each figure is one fresh process of the command as a user runs it, imports and all: seconds of the clock and of the
processor, and the most memory that it held. Stores are made of records that hold at every level (`tests/large_stores`):
models x 10 tasks x 4 strategies x 5 seeds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from large_stores import Shape, fill
from measuring import parser, tell, wait

BOARD = ("leaderboard", "--format", "json")


@dataclass(frozen=True)
class Spent:
    """What one command took: seconds of the clock and of the processor, and its peak memory in MB."""

    seconds: float
    cpu: float
    megabytes: int


def spent(*words: str) -> Spent:
    """Run a command in a process of its own and return what it took; what it prints is thrown away."""
    start = time.perf_counter()
    command = [str(Path(sys.executable).with_name("suite")), *words]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    usage = wait(child)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Spent(round(time.perf_counter() - start, 2), round(cpu, 2), round(usage.ru_maxrss / 1024))


def measured(folder: Path, shape: Shape, verify: bool) -> dict[str, Any]:
    """Return what boards of a store of some shape take."""
    fill(folder, shape)
    store = ("--store", str(folder))
    found = {"from_scratch": spent(*BOARD, *store), "unchanged": spent(*BOARD, *store)}
    more = max(shape.models // 100, 1)
    grown = replace(shape, models=shape.models + more)
    fill(folder, grown, range(shape.models, grown.models))
    found["extended"] = spent(*BOARD, *store)
    found["one_strategy"] = spent(*BOARD, *store, "-s", "lora")
    found["one_protocol"] = spent(*BOARD, *store, "--protocol", "made")
    found["table"] = spent("leaderboard", *store)
    if verify:
        found["verify"] = spent("verify", "--all", "--json", *store)
    told: dict[str, Any] = {name: vars(one) for name, one in found.items()}
    if verify:
        told["verified_a_minute_a_core"] = round(60 * grown.records / found["verify"].cpu)
    size = sum(path.stat().st_size for path in [folder / "index.parquet", *folder.glob("index/*")])
    return {"records": shape.records, "added": grown.records - shape.records, "index_bytes": size} | told


def options() -> argparse.Namespace:
    """Return what was asked for."""
    given = parser(__doc__)
    given.add_argument("--records", type=int, nargs="+", default=[1_000, 10_000])
    given.add_argument("--examples", type=int, default=500)
    given.add_argument("--weighed", type=int, default=0, help="tasks that score by F1")
    given.add_argument("--verify", action="store_true", help="rescore the largest store")
    return given.parse_args()


def main() -> None:
    """Make stores and measure what reads them."""
    asked = options()
    found = []
    for records in asked.records:
        shape = Shape(max(records // 200, 1), examples=asked.examples, weighed=asked.weighed)
        with tempfile.TemporaryDirectory(prefix="boards-") as folder:
            found.append(measured(Path(folder), shape, asked.verify and records == max(asked.records)))
    tell("boards", {"stores": found}, asked)


if __name__ == "__main__":
    main()
