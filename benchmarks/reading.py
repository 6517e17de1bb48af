"""How long reading takes: a leaderboard of many records, a comparison of two checkpoints with many examples.

    python benchmarks/reading.py --records 10000 --examples 1000
    python benchmarks/reading.py --compare --seeds 5 --examples 10000

Records are made by hand in a temporary store of 4 tasks. Each figure is the median of some fresh processes, with
and without what Python and the imports take.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from made_records import made

from suite.store import Store

BOARD = """
import sys, time
began = time.perf_counter()
from suite import tables
from suite.leaderboard import rank
import suite.stats.completion, suite.stats.ranking, scipy.stats
imported, spent = time.perf_counter(), time.process_time()
text = tables.to_json([rank(sys.argv[1])])
print(time.perf_counter() - began, time.perf_counter() - imported, time.process_time() - spent)
"""
COMPARE = """
import sys, time
began = time.perf_counter()
from suite.comparison import compare
import suite.comparison._pairs, scipy.optimize
imported, spent = time.perf_counter(), time.process_time()
told = compare("org/model-0", "org/model-1", store=sys.argv[1])
words = told.pairs[0].words
print(time.perf_counter() - began, time.perf_counter() - imported, time.process_time() - spent)
"""


def fill(store: Store, models: int, seeds: int, examples: int) -> int:
    """Put results of so many models on four tasks; return how many."""
    for task in range(4):
        hard = np.random.default_rng(task).random(examples)
        for model in range(models):
            for seed in range(seeds):
                noise = np.random.default_rng([task, model, seed]).normal(0, 0.05, examples)
                values = (hard + noise < 0.6 + 0.3 * model / models).astype(float)
                store.put(made(f"org/model-{model}", f"task-{task}", values, seed=seed))
    return 4 * models * seeds


def timed(code: str, store: str, repeats: int) -> list[float]:
    """Return the median seconds of a fresh process: with imports, without, and the processor's part of the latter."""
    runs = []
    for _ in range(repeats):
        done = subprocess.run([sys.executable, "-c", code, store], capture_output=True, text=True, check=True)
        runs.append([float(word) for word in done.stdout.split()])
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def main() -> None:
    """Make a store and time what reads it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compare", action="store_true", help="Two checkpoints instead of a board.")
    options = parser.parse_args()
    models = 2 if options.compare else max(options.records // (4 * options.seeds), 1)
    with tempfile.TemporaryDirectory() as folder:
        count = fill(Store(folder), models, options.seeds, options.examples)
        code = COMPARE if options.compare else BOARD
        cold = timed(code, folder, 1)[0]
        whole, inside, spent = timed(code, folder, options.repeats)
    what = "comparison" if options.compare else "leaderboard"
    print(f"{what} of {count} records with {options.examples} examples, {options.seeds} seeds, 4 tasks")
    print(f"without an index yet  {cold:.2f} s")
    print(f"imports and all       {whole:.2f} s (median of {options.repeats})")
    print(f"after the imports     {inside:.2f} s (median of {options.repeats}), {spent:.2f} s of the processor")


if __name__ == "__main__":
    main()
