"""Results as text: the cells that every table of a board shows, CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from suite import legible
from suite.comparison import TaskVerdict
from suite.index import Entry
from suite.leaderboard import Board, Cell, Row, flat
from suite.spec import Record
from suite.stats.continual import backward_transfer, forgetting, forward_transfer
from suite.stats.intervals import mean_interval
from suite.stats.ranking import Stability
from suite.stats.runs import Collapses

LEGEND = (
    "M: mean of chance-corrected scores; raw: of the scores as they are. ±: half of the 95% interval over examples and "
    "seeds (* one seed: examples only), or over folds or replicates. =: not told apart from the row that leads its "
    "group. !: a run collapsed. ?: lacks a task or fold, so its M is completed from the others and it has no rank."
)
LOSS_LEGEND = "Losses: less is better. Their mean is not part of M."
BESIDE = ("raw", "mean rank")
COSTS = ("seeds", "trained", "of", "s/run", "GB")


Shape = Literal["whole", "cost", "scores"]
"""What a table has beside M and the tasks: all, the cost alone, or neither."""


def head(board: Board, shape: Shape = "whole") -> list[str]:
    """Return the names of the columns."""
    beside, costs = BESIDE if shape == "whole" else (), COSTS if shape != "scores" else ()
    return ["#", "model", "strategy", "M", *beside, *board.tasks, *costs]


def cells(board: Board, shape: Shape = "whole") -> list[list[str]]:
    """Return the texts of every row with a score, under the columns of `head`; names stand as they are, not escaped."""
    rows: list[list[str]] = []
    group = None
    for row in _of(board.rows, board.tasks):
        tied = row.tie_group is not None and row.tie_group == group
        group = row.tie_group
        line = [f"{'=' if tied else ''}{row.rank or '?'}", row.label, row.way, spread(row.mean, row.interval)]
        if shape == "whole":
            beside = "-" if row.mean_rank is None else f"{row.mean_rank:.1f}"
            line += [spread(row.raw_mean, row.raw_interval), beside]
        line += [_score(row.tasks.get(task)) for task in board.tasks]
        rows.append(line + (_costs(row) if shape != "scores" else []))
    return rows


def loss_head(board: Board) -> list[str]:
    """Return the names of the columns of the table of losses."""
    return ["#", "model", "strategy", "mean loss", *board.losses]


def loss_cells(board: Board) -> list[list[str]]:
    """Return the texts of every row with a loss, least first, under the columns of `loss_head`."""
    rows: list[list[str]] = []
    group = None
    ranked = sorted(_of(board.rows, board.losses), key=lambda row: (row.loss_rank or len(board.rows) + 1, row.label))
    for row in ranked:
        tied = row.loss_tie_group is not None and row.loss_tie_group == group
        group = row.loss_tie_group
        place = f"{'=' if tied else ''}{row.loss_rank or '?'}"
        losses = [_score(row.tasks.get(task), loss=True) for task in board.losses]
        rows.append([place, row.label, row.way, spread(row.mean_loss, row.loss_interval, loss=True), *losses])
    return rows


def _of(rows: Sequence[Row], tasks: Sequence[str]) -> list[Row]:
    """Return the rows that have any of the tasks."""
    return [row for row in rows if any(task in row.tasks for task in tasks)]


def notes(board: Board) -> list[str]:
    """Return what a reader of the board should know beside its numbers, a sentence each."""
    found = []
    if len(board.tasks) > 1 and board.sources:
        found.append(f"{len(board.tasks)} tasks from {board.sources} source{'s' if board.sources > 1 else ''}.")
    if board.stability:
        found.append(_stability(board.stability, board.tasks))
    for row in board.rows:
        found += [*_collapse_notes(row), *_failure_notes(row)]
    return [*found, *_seen_notes(board)]


def _stability(stability: Stability, tasks: Sequence[str]) -> str:
    n = len(stability.taus)
    without = f" (not without {', '.join(tasks[i] for i in stability.flips)})" if stability.flips else ""
    return (
        f"With one task left out in turn, the ranking agrees with this one by Kendall's tau of {stability.lowest:.2f} "
        f"at the least and {stability.mean:.2f} on average; the top stays the top {stability.top_stays} of {n} times"
        f"{without}."
    )


def _collapse_notes(row: Row) -> list[str]:
    """Say of which tasks runs collapsed, how often that is, and what the others score."""
    fell = {task: cell.collapses for task, cell in row.tasks.items() if cell.collapses}
    if not fell:
        return []
    told = "; ".join(_fell(task, found) for task, found in fell.items())
    return [f"{row.label}, {row.way}: collapsed runs, which count in the mean: {told}."]


def _fell(task: str, found: Collapses) -> str:
    low, high = (100 * end for end in found.rate_interval)
    others = "" if found.mean is None else f"; the others: {spread(found.mean, found.interval)}"
    return f"{task} {found.count} of {found.n} (95% interval of the rate {low:.0f} to {high:.0f}%{others})"


def _failure_notes(row: Row) -> list[str]:
    """Say of which tasks examples had no finite score."""
    failed = [f"{task} {cell.failed}" for task, cell in row.tasks.items() if cell.failed]
    if not failed:
        return []
    return [
        f"{row.label}, {row.way}: test examples without a finite score, which count as scored 0: {'; '.join(failed)}."
    ]


def _seen_notes(board: Board) -> list[str]:
    """Say for each task how many test rows the training rows hold, and how much that moves a score at the most."""
    found = []
    for task in [*board.tasks, *board.losses]:
        held = [row.tasks[task] for row in board.rows if task in row.tasks and row.tasks[task].seen]
        if not held:
            continue
        moves = [cell.clean - cell.mean for cell in held if cell.clean is not None]
        most = f"; without them scores move by {100 * max(moves, key=abs):+.1f} points at the most" if moves else ""
        count = max(cell.seen for cell in held)
        found.append(f"{task}: the training rows hold {count} of {held[0].n} test rows, exactly or nearly{most}.")
    return found


def _score(cell: Cell | None, loss: bool = False) -> str:
    if cell is None:
        return "-"
    alone = "*" if cell.seeds == 1 and cell.folds == 1 else ""
    marks = alone + ("!" if cell.collapsed else "") + ("?" if cell.missing_folds else "")
    return spread(cell.mean, cell.interval, loss) + marks


def _costs(row: Row) -> list[str]:
    seeds = sorted({cell.seeds for cell in row.tasks.values()})
    return [
        "-".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1]))),
        count(row.trainable_params),
        count(row.params),
        f"{row.seconds:.1f}" if row.seconds is not None else "-",
        f"{row.peak_memory / 1e9:.1f}" if row.peak_memory is not None else "-",
    ]


def spread(mean: float | None, interval: tuple[float, float] | None, loss: bool = False) -> str:
    """Return a mean with half the width of its interval, in points: '63.2 ±2.1'; a loss in its own unit."""
    if mean is None:
        return "-"
    half = None if interval is None else (interval[1] - interval[0]) / 2
    if loss:
        return f"{mean:.4g}" + ("" if half is None else f" ±{half:.2g}")
    return f"{100 * mean:.1f}" + ("" if half is None else f" ±{100 * half:.1f}")


def count(n: int | None) -> str:
    """Return a count of parameters: '22.6M', '810k'."""
    if n is None:
        return "-"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.3g}{unit}"
    return str(n)


def comparison_cells(one: TaskVerdict) -> list[str]:
    """Return metric, both means, difference with interval, p, P(A>B), delta, seeds, examples and seeds to decide."""
    loss = not one.greater_is_better
    means = ["-", "-"] if one.means is None else [spread(mean, None, loss) for mean in one.means]
    decide = "-" if one.seeds_needed is None else str(one.seeds_needed)
    return [
        one.metric,
        *means,
        between(one.difference, one.interval, loss),
        "-" if one.p is None else f"{one.p:.4f}",
        "-" if one.p_a_better is None else f"{one.p_a_better:.2f}",
        "-" if one.delta is None else spread(one.delta, None, loss),
        "-" if one.seeds is None else "/".join(str(n) for n in dict.fromkeys(one.seeds)),
        str(one.n) if one.n else "-",
        decide,
    ]


def between(difference: float | None, interval: tuple[float, float] | None, loss: bool = False) -> str:
    """Return a difference with both ends of its interval, in points: '+1.2 [-0.3, +2.7]'; a loss in its own unit."""
    if difference is None:
        return "-"
    scale, form = (1, "+.3g") if loss else (100, "+.1f")
    ends = "" if interval is None else f" [{interval[0] * scale:{form}}, {interval[1] * scale:{form}}]"
    return f"{difference * scale:{form}}{ends}"


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


def to_json(boards: Sequence[Board]) -> str:
    """Return the rows as the command line's contract has them, board by board, each with its board's number."""
    rows = [_plain(row) | {"board": number} for number, board in enumerate(boards, 1) for row in board.rows]
    return json.dumps(rows, indent=2, allow_nan=False)


def _plain(row: Row) -> dict[str, Any]:
    """Return a row as `asdict` does, without a copy of all that is in it."""
    cells = {
        task: vars(cell) | {"collapses": asdict(cell.collapses) if cell.collapses else None}
        for task, cell in row.tasks.items()
    }
    return vars(row) | {"tasks": cells}


def to_csv(boards: Sequence[Board]) -> str:
    """Return one line a row, the number of its board and the tasks' means and interval ends as columns."""
    return csv_of([flat(row) | {"board": number} for number, board in enumerate(boards, 1) for row in board.rows])


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return one line a row under the names that any has; a spreadsheet takes no cell of it for a formula."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([legible.field(name) for name in names])
    writer.writerows([legible.field(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def to_markdown(boards: Sequence[Board]) -> str:
    """Return a Markdown table a board with its legend, and one of losses if there are any; names are escaped."""
    parts = [_board_markdown(board) for board in boards]
    return "\n\n".join([*parts, *(escape(note) for note in _left_out(boards))]) + "\n"


def _board_markdown(board: Board) -> str:
    parts = []
    if board.tasks or not board.losses:
        parts.append(_markdown([head(board), *cells(board)]))
    if board.losses:
        parts.append(_markdown([loss_head(board), *loss_cells(board)]))
    legend = f"Protocol {board.protocol}. {LEGEND}" + (f" {LOSS_LEGEND}" if board.losses else "")
    return "\n\n".join([*parts, *(escape(note) for note in (legend, *notes(board)))])


def all_notes(boards: Sequence[Board]) -> list[str]:
    """Return what a reader of several boards should know beside their numbers, and what was left out of them."""
    return [*(note for board in boards for note in notes(board)), *_left_out(boards)]


def _left_out(boards: Sequence[Board]) -> list[str]:
    return [f"Left out: {note}" for note in dict.fromkeys(note for board in boards for note in board.left_out)]


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    first, *rest = [["#" if text == "#" else escape(text) for text in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in (first, ["---"] * len(first), *rest))


def escape(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for sign in "\\`*_{}[]<>#|":
        text = text.replace(sign, f"\\{sign}")
    return legible.clean(text)


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
