"""Results as text: the cells that every table of a board shows, CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from suite.leaderboard import Board, Cell, Row, flat
from suite.spec import Record
from suite.stats.continual import backward_transfer, forgetting, forward_transfer
from suite.stats.intervals import mean_interval
from suite.store import Entry

LEGEND = (
    "M: mean of chance-corrected scores. ±: half of the 95% interval over examples and seeds (* one seed: examples "
    "only), or over folds or replicates. =: not told apart from the row that leads its group. !: a run collapsed. "
    "?: lacks a task or fold, so no M."
)
COSTS = ("seeds", "trained", "of", "s/run")


def head(board: Board) -> list[str]:
    """Return the names of the columns."""
    return ["#", "model", "strategy", "M", *board.tasks, *COSTS]


def cells(board: Board) -> list[list[str]]:
    """Return every row's texts, under the columns of `head`; names stand as they are, not escaped."""
    rows: list[list[str]] = []
    group = None
    for row in board.rows:
        tied = row.tie_group is not None and row.tie_group == group
        group = row.tie_group
        place = f"{'=' if tied else ''}{row.rank or '?'}"
        scores = [spread(row.mean, row.interval), *(_score(row.tasks.get(task)) for task in board.tasks)]
        rows.append([place, row.label, row.way, *scores, *_costs(row)])
    return rows


def _score(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    alone = "*" if cell.seeds == 1 and cell.folds == 1 else ""
    return (
        spread(cell.mean, cell.interval) + alone + ("!" if cell.collapsed else "") + ("?" if cell.missing_folds else "")
    )


def _costs(row: Row) -> list[str]:
    seeds = sorted({cell.seeds for cell in row.tasks.values()})
    return [
        "-".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1]))),
        count(row.trainable_params),
        count(row.params),
        f"{row.seconds:.1f}" if row.seconds is not None else "-",
    ]


def spread(mean: float | None, interval: tuple[float, float] | None) -> str:
    """Return a mean with half the width of its interval, in points: '63.2 ±2.1'."""
    if mean is None:
        return "-"
    if interval is None:
        return f"{100 * mean:.1f}"
    return f"{100 * mean:.1f} ±{50 * (interval[1] - interval[0]):.1f}"


def count(n: int | None) -> str:
    """Return a count of parameters: '22.6M', '810k'."""
    if n is None:
        return "-"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g}{unit}"
    return str(n)


def stages(entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """Return head and cells of how scores moved through the stages, a line a checkpoint, strategy, task and cut.

    Scores of losses are turned round, so that more is better everywhere.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in (entry.record for entry in entries):
        spec = record.spec
        name = (spec.checkpoint.label, spec.strategy, record.task, record.main.name, spec.resample)
        groups.setdefault(name, []).append(record.training)
    count = max((len(logs[0]["stage_scores"]) for logs in groups.values()), default=0)
    names = ["model", "strategy", "task", "metric", *(f"after {i}" for i in range(count))]
    lines = []
    for (*group, _), logs in groups.items():
        tested = np.array([log["stage_scores"] for log in logs])
        matrices = [np.array(log["stage_validation"]) for log in logs]
        moves = [
            spread(*mean_interval([of(m) for m in matrices]))
            for of in (forgetting, backward_transfer, forward_transfer)
        ]
        way = [spread(*mean_interval(column)) for column in tested.T]
        lines.append([*group, *way, *["-"] * (count - len(way)), *moves])
    return [*names, "forgetting", "backward", "forward"], lines


def to_json(board: Board) -> str:
    """Return the rows as the command line's contract has them."""
    return json.dumps([asdict(row) for row in board.rows], indent=2, allow_nan=False)


def to_csv(board: Board) -> str:
    """Return one line a row, the tasks' means and interval ends as columns."""
    text = io.StringIO()
    rows = [flat(row) for row in board.rows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_markdown(board: Board) -> str:
    """Return a Markdown table with its legend; names are escaped."""
    lines = [head(board), ["---"] * len(head(board)), *cells(board)]
    table = [
        "| " + " | ".join(text if i == 1 else escape(text) for text in line) + " |" for i, line in enumerate(lines)
    ]
    notes = [f"Protocol {board.protocol}. {LEGEND}", *(f"Left out: {note}" for note in board.left_out)]
    return "\n".join([*table, *(f"\n{escape(note)}" for note in notes)]) + "\n"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for sign in "\\`*_{}[]<>#|":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def run_line(record: Record, stored: bool) -> dict[str, Any]:
    """Return what `suite run --json` says of one run, as the command line's contract has it."""
    return {
        "key": record.key,
        "model": record.spec.checkpoint.name,
        "revision": record.spec.checkpoint.revision,
        "init": record.spec.checkpoint.init,
        "task": record.task,
        "task_version": record.task_spec.version,
        "strategy": record.spec.strategy,
        "seed": record.spec.seed,
        "resample": record.spec.resample,
        "fold": record.spec.fold,
        "joint": [task.name for task in record.spec.tasks] if len(record.spec.tasks) > 1 else [],
        "main": record.main.name,
        "metrics": record.metrics,
        "n_test": record.counts["test"],
        "seconds": record.cost["seconds"],
        "collapsed": record.collapsed,
        "stored": stored,
    }
