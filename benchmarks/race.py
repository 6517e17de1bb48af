"""What a race spends and finds on a matrix of real scores, with seed noise added, beside the full grid of runs.

    python benchmarks/race.py MATRIX.csv [--tasks NAME ...] [--repetitions 2000]

MATRIX.csv has a line a model: its name in the column `model`, then its score on each task, in points. In a repetition
some of the models are drawn, the tasks are put in a random order, and each run gets noise of its own. The truly best is
the one with the best mean in the matrix. `neighbours` are models that follow each other in the matrix by their mean:
the hard case. The figures' Monte Carlo errors stand behind them.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from suite.stats.racing import Look, Rules, Table, race

NAMES = ("true best removed", "top-1", "top-1, full grid", "regret", "regret, full grid", "runs spent", "survivors")


def read(path: Path, tasks: Sequence[str] | None) -> np.ndarray:
    """Return the scores [models, tasks]; models without all of them are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(tasks or [name for name in rows[0] if name != "model"])
    if unknown := [name for name in names if name not in rows[0]]:
        raise SystemExit(f"{path} has no column {', '.join(unknown)}. It has: {', '.join(rows[0])}.")
    return np.array([[float(row[name]) for name in names] for row in rows if all(row[name] for name in names)])


def draw(matrix: np.ndarray, count: int, neighbours: bool, rng: np.random.Generator) -> np.ndarray:
    """Return the scores of so many models, in random order of models and tasks."""
    if neighbours:
        order = np.argsort(-matrix.mean(axis=1))
        start = rng.integers(0, len(matrix) - count + 1)
        chosen = rng.permutation(order[start : start + count])
    else:
        chosen = rng.choice(len(matrix), count, replace=False)
    return matrix[chosen][:, rng.permutation(matrix.shape[1])]


def repetition(truth: np.ndarray, noise: float, rules: Rules, rng: np.random.Generator) -> list[float]:
    """Return one race's figures, in the order of NAMES."""
    assert rules.seeds is not None
    scores = truth[:, :, None] + rng.normal(0, noise, (*truth.shape, rules.seeds))
    table, spent = Table(*truth.shape), 0
    for step in race(table, rules):
        if isinstance(step, Look):
            continue
        spent += len(step)
        for cell in step:
            table.put(cell, float(scores[cell]))
    means = truth.mean(axis=1)
    best = int(means.argmax())
    leader = int(np.where(table.alive, table.means(), -np.inf).argmax())
    full = int(scores.mean(axis=(1, 2)).argmax())
    lost = [float(means[best] - means[one]) for one in (leader, full)]
    return [not table.alive[best], leader == best, full == best, *lost, spent / scores.size, int(table.alive.sum())]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("matrix", type=Path)
    parser.add_argument("--tasks", nargs="+", help="only these columns")
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--checkpoints", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--noise", type=float, default=1.5, help="standard deviation of a run over seeds, in points")
    parser.add_argument("--alpha", type=float, default=0.05)
    words = parser.parse_args()
    matrix = read(words.matrix, words.tasks)
    rules = Rules(words.alpha, words.seeds)
    print(
        f"{words.matrix.name}: {matrix.shape[0]} models x {matrix.shape[1]} tasks; {words.checkpoints} checkpoints, "
        f"{words.seeds} seeds of sd {words.noise}, alpha {words.alpha}, {words.repetitions} repetitions\n"
    )
    print(f"{'':20}{'at random':>18}{'neighbours':>18}")
    columns = []
    for neighbours in (False, True):
        rng = np.random.default_rng(0)
        rows = [
            repetition(draw(matrix, words.checkpoints, neighbours, rng), words.noise, rules, rng)
            for _ in range(words.repetitions)
        ]
        columns.append(np.array(rows, dtype=float))
    for place, name in enumerate(NAMES):
        told = [f"{c[:, place].mean():.4f} ±{c[:, place].std() / len(c) ** 0.5:.4f}" for c in columns]
        print(f"{name:20}" + "".join(f"{text:>18}" for text in told))


if __name__ == "__main__":
    main()
