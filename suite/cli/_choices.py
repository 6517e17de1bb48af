"""Tables of what was screened and of what could be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from suite import tables
from suite.display import shown, titled
from suite.selection import MEASURES

if TYPE_CHECKING:
    from suite.selection import Advice, Cell, Choice, Screened

NAMES = {"logme": "LogME", "h_score": "H-score", "leep": "LEEP", "params": "parameters"}


def cells_table(found: Screened) -> Table:
    """Return what each measure says of every checkpoint on every task, with its rank there."""
    table = titled("Screening", "In brackets the rank on the task; more is better in all of them.")
    for name in ("task", "checkpoint", "rows", "width", *NAMES.values(), "notes"):
        table.add_column(name, justify="left" if name in ("task", "checkpoint", "notes") else "right", overflow="fold")
    for task in dict.fromkeys(cell.task for cell in found.cells):
        of_task = [cell for cell in found.cells if cell.task == task]
        for cell in sorted(of_task, key=lambda one: one.ranks.get("logme", float("inf"))):
            counts = [_text(cell.n), _text(cell.width)]
            values = [_measure(cell, measure) for measure in MEASURES]
            note = "failed" if cell.reason else cell.note
            table.add_row(*(shown(text) for text in [task, cell.label, *counts, *values, note]))
    return table


def ranks_tables(found: Screened) -> list[Table]:
    """Return every checkpoint's mean rank by each measure, best by LogME first, a table a modality of several tasks."""
    made = []
    for modality, ranked in found.mean_ranks().items():
        models = {cell.label for cell, _ in ranked}
        if len({cell.task for cell in found.cells if cell.label in models}) < 2:
            continue
        table = titled(f"Mean rank over tasks of {modality}s", "- where a checkpoint lacks a rank that another has.")
        for name in ("checkpoint", *NAMES.values()):
            table.add_column(name, justify="left" if name == "checkpoint" else "right", overflow="fold")
        for cell, means in ranked:
            ranks = ["-" if rank is None else f"{rank:.1f}" for rank in means.values()]
            table.add_row(shown(cell.label), *ranks)
        made.append(table)
    return made


def front_table(advice: Advice) -> Table:
    """Return the Pareto front, best first."""
    caption = (
        f"{', '.join(advice.tasks)}; protocol {advice.protocol}. No row that is missing here has a better M without "
        "more parameters or more seconds."
    )
    table = titled("Pareto front of score, size and cost", caption)
    left = ("checkpoint", "strategy", "")
    for name in ("checkpoint", "strategy", "mean loss" if advice.losses else "M", "trained", "of", "s/run", ""):
        table.add_column(name, justify="left" if name in left else "right", overflow="fold")
    for choice in advice.front:
        score = tables.spread(choice.mean, choice.interval, advice.losses)
        seconds = "-" if choice.seconds is None else f"{choice.seconds:.1f}"
        sizes = [tables.count(choice.trainable_params), tables.count(choice.params)]
        texts = [choice.label, choice.way, score, *sizes, seconds, _remark(advice, choice)]
        table.add_row(*(shown(text) for text in texts), style=None if choice.fits else "dim")
    return table


def _remark(advice: Advice, choice: Choice) -> str:
    if not choice.fits:
        return "over budget"
    if advice.best and choice.row == advice.best.row:
        return "best"
    if choice.apart is None:
        return "no interval to compare by"
    return "worse than the best" if choice.apart else "not told apart from the best"


def _measure(cell: Cell, measure: str) -> str:
    value = getattr(cell, measure)
    if value is None:
        return "-"
    shown = tables.count(value) if measure == "params" else f"{value:.3f}"
    return f"{shown} ({cell.ranks[measure]:g})"


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
