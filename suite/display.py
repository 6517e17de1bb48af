"""What a terminal shows: one progress display for a whole grid, and tables."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.live import Live
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from suite import legible, limits, tables
from suite.comparison import Comparison, Disagreement
from suite.effects import Effect
from suite.index import Entry
from suite.leaderboard import Board
from suite.spec import Failure, Record, RunSpec

TASK_WIDTH = 12
"""The widest column of a task; longer names are broken."""


class Screen(Console):
    """A console that strangers' words do not steer."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as it is shown; every string of a table or a line comes by here."""
        return super().render_str(legible.page(text), **options)

    def say(self, text: str) -> None:
        """Print a sentence; a name in it begins no new line."""
        self.print(legible.line(text), markup=False, highlight=False)


def console(err: bool = False) -> Screen:
    """Return a console as wide as the terminal, or wide enough for a board where there is none."""
    stream = sys.stderr if err else sys.stdout
    return Screen(stderr=err, emoji=False, width=None if stream.isatty() or "COLUMNS" in os.environ else 160)


def shown(text: str) -> str:
    """Return a name or a sentence as a cell or a line shows it: it is no markup and begins no new line."""
    return escape(legible.clean(text))


def titled(title: str, caption: str) -> Table:
    """Return a table without columns, of the look that all have."""
    return Table(
        title=shown(title), caption=shown(caption), title_justify="left", caption_justify="left", box=SIMPLE_HEAD
    )


def run_name(spec: RunSpec) -> str:
    """Return a run as one line names it."""
    tasks = "+".join(task.name for task in spec.tasks)
    joint = " joint" if len(spec.tasks) > 1 else ""
    cut = "" if spec.resample == "holdout" else f" · {spec.resample} {spec.fold + 1}"
    return legible.clean(f"{spec.checkpoint.label} · {tasks} · {spec.strategy}{joint} · seed {spec.seed}{cut}")


class GridDisplay:
    """Runs done, what is being run, its step and loss, and the time left. Plain lines where there is no terminal."""

    def __init__(self, total: int, console: Console, quiet: bool = False) -> None:
        self._console, self._quiet, self._total = console, quiet, total
        self._done, self._started = 0, time.monotonic()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=console)
        self._grid = self._progress.add_task("runs", total=total, note="")
        self._bars: dict[str, Any] = {}
        self._told: set[str] = set()
        self._live = Live(self._progress, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> GridDisplay:
        if self._console.is_terminal and not self._quiet:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live.is_started:
            self._live.stop()

    def event(self, spec: RunSpec, event: dict[str, Any]) -> None:
        """Show what a run is doing, and once what several of them have to note."""
        if "note" in event:
            self._note(event["note"])
            return
        key = spec.key()
        if key not in self._bars:
            self._bars[key] = self._progress.add_task(run_name(spec), total=None, note="")
        if "steps" in event:
            note = f"loss {event['loss']:.3f}"
            self._progress.update(self._bars[key], completed=event["step"], total=event["steps"], note=note)
        else:
            self._progress.update(self._bars[key], note=event.get("phase", ""))

    def _note(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._print(f"[yellow]note[/yellow]    {shown(text)}")

    def finished(self, outcome: Record | Failure, stored: bool) -> None:
        """Count a run as done and print its line."""
        of_failure = len(outcome.spec.tasks) if isinstance(outcome, Failure) else 1
        self._done += of_failure
        self._progress.update(self._grid, completed=self._done)
        bar = self._bars.pop(outcome.spec.key(), None)
        if bar is not None:
            self._progress.remove_task(bar)
        if isinstance(outcome, Failure):
            details = f" (details: {outcome.details})" if outcome.details else ""
            self._print(f"[red]failed[/red]  {shown(run_name(outcome.spec))}: {shown(outcome.reason + details)}")
        elif not stored and not self._quiet:
            collapsed = " [yellow]collapsed[/yellow]" if outcome.collapsed else ""
            name, score, seconds = outcome.main.name, outcome.score, outcome.cost["seconds"]
            task = f"{outcome.task} of " if len(outcome.spec.tasks) > 1 else ""
            self._print(
                f"[dim]{self._done:>3}/{self._total}[/dim]  {name} [bold]{score:.4f}[/bold]  {seconds:>6.1f} s  "
                f"{shown(task + run_name(outcome.spec))}{collapsed}{_cut_note(outcome)}"
            )

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)


def _cut_note(record: Record) -> str:
    """Say how many inputs were longer than what is read of them: a score over cut rows is another score."""
    if not (cut := record.counts.get("truncated")):
        return ""
    return f" [yellow]{cut} rows cut at {record.training.get('max_length')} tokens[/yellow]"


def board_table(board: Board, title: str, screen: Console) -> Table:
    """Return a leaderboard as a table of the most columns that a screen has room for; a narrow one breaks its cells."""
    shapes: tuple[tables.Shape, ...] = ("whole", "cost")
    for shape in shapes:
        cells = tables.cells(board, shape)
        widest = [max(column, key=cell_len) for column in zip(*cells, strict=True)]  # as wide as all of the rows
        measured = _board_table(board, title, shape, [widest] if widest else [])
        if Measurement.get(screen, screen.options.update(width=1000), measured).maximum <= screen.width:
            return _board_table(board, title, shape, cells)
    return _board_table(board, title, "scores", tables.cells(board, "scores"))


def _board_table(board: Board, title: str, shape: tables.Shape, cells: Sequence[Sequence[str]]) -> Table:
    table = titled(title, f"Protocol {board.protocol}. {tables.LEGEND}")
    wide = shape != "scores"
    layouts = {name: _column(name, board.tasks, wide, cells) for name in tables.head(board, shape)}
    for name, layout in layouts.items():
        table.add_column(escape(_broken(name)), **layout)
    sides = [layout.get("justify", "left") for layout in layouts.values()]
    for row in cells:
        texts = map(legible.clean, row)
        table.add_row(*map(_Cell, texts if wide else (text.replace(" ±", "\n±") for text in texts), sides))
    return table


class _Cell:
    """A cell of a board, of which there may be tens of thousands: where its lines fit none is looked at for breaks."""

    def __init__(self, text: str, side: JustifyMethod) -> None:
        """Take a text that steers nothing."""
        self._lines, self._side = text.split("\n"), side
        self._width = max(map(cell_len, self._lines))

    def __rich_measure__(self, screen: Console, options: ConsoleOptions) -> Measurement:
        words = (cell_len(word) for line in self._lines for word in line.split())
        return Measurement(max(words, default=0), self._width)

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        if self._width > options.max_width:
            yield Text("\n".join(self._lines), justify=self._side, overflow="fold")
            return
        for line in self._lines:
            blank = " " * (options.max_width - cell_len(line))
            yield Segment(blank + line if self._side == "right" else line + blank)
            yield Segment.line()


def loss_table(board: Board, title: str = "") -> Table:
    """Return the table of a leaderboard's losses."""
    table = titled(title, tables.LOSS_LEGEND)
    cells = tables.loss_cells(board)
    for name in tables.loss_head(board):
        table.add_column(escape(_broken(name)), **_column(name, board.losses, True, cells))
    for row in cells:
        table.add_row(*(shown(text) for text in row))
    return table


def _broken(name: str) -> str:
    """Return a long name in lines that end at its hyphens."""
    lines = [""]
    for part in re.findall(r"[^-]*-|[^-]+", name):
        if lines[-1] and len(lines[-1] + part) > TASK_WIDTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _column(name: str, tasks: Sequence[str], wide: bool, cells: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return how a column of a board is laid out."""
    if name in tasks:
        return {"justify": "right", "overflow": "fold", "min_width": 11 if wide else 5, "max_width": TASK_WIDTH}
    if name == "model":
        longest = max((len(row[1]) for row in cells), default=0)
        return {"overflow": "fold", "min_width": min(longest, 32 if wide else 12)}
    style = "bold" if name in ("M", "mean loss") else ""
    justify = "left" if name == "strategy" else "right"
    return {"justify": justify, "no_wrap": wide or name == "#", "overflow": "fold", "style": style}


def effects_table(effects: Sequence[Effect]) -> Table:
    """Return what sharing a trunk did, one line a task and base."""
    caption = (
        "Joint minus base in points with its 95% interval over examples and seeds; helps or harms where the "
        "interval at 1 - 0.05/(tasks of the mixture) is clear of zero."
    )
    table = titled("Transfer", caption)
    names = ("model", "strategy", "task", "metric", "compared with", "added", "base", "joint", "difference", "")
    for name in names:
        table.add_column(name, justify="right" if name in ("base", "joint", "difference") else "left", overflow="fold")
    for effect in effects:
        base = "alone" if len(effect.base) == 1 else " + ".join(effect.base)
        words = (effect.model, effect.strategy, effect.task, effect.metric, base, " + ".join(effect.added))
        numbers = (
            f"{100 * effect.base_mean:.1f}",
            f"{100 * effect.joint_mean:.1f}",
            tables.between(effect.difference, effect.interval),
        )
        table.add_row(*(shown(word) for word in words), *numbers, effect.verdict)
    return table


def comparison_table(pair: Comparison) -> Table:
    """Return how two checkpoints differ, one line a task."""
    caption = (
        f"A: {pair.a}. B: {pair.b}. Protocol {pair.protocol}. In points, losses in their own unit. p: of a paired test "
        "over examples and seeds, adjusted for all that is asked here (Holm). Same: the 90% interval lies within "
        "±delta. P(A>B): how often a run of A beats one of B. To decide: seeds a side."
    )
    table = titled("", caption)
    numbers = ("A", "B", "A - B", "p", "P(A>B)", "delta", "seeds", "examples", "to decide")
    for name in ("task", "metric", *numbers, "verdict"):
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for task, one in pair.tasks.items():
        told = [shown(text) for text in tables.comparison_cells(one)]
        table.add_row(shown(task), *told, f"{one.verdict}{': ' + shown(one.reason) if one.reason else ''}")
    return table


def example(one: Disagreement, inputs: Mapping[str, Any], colour: bool) -> RenderableType:
    """Return a test example with its label and what both sides say; a picture in blocks, where there is colour."""
    head = f"{one.task} {one.id}: label {one.label!r}, A says {one.a!r}, B says {one.b!r} ({one.difference:+.2f})"
    parts: list[RenderableType] = [Text(head, style="bold")]
    for name, value in inputs.items():
        parts.append(_picture(value, colour) if isinstance(value, bytes) else Text(f"  {name}: {_cut(value)}"))
    return Group(*parts, Text(""))


def _cut(value: Any) -> str:
    text = str(value)
    told = text if len(text) <= 600 else f"{text[:600]}... ({len(text)} characters)"
    return legible.page(told).replace("\n", "\n    ")


def _picture(data: bytes, colour: bool) -> Text:
    """Return a picture, two pixels a character, at most 32 wide."""
    picture = limits.open_picture(data).convert("RGB")
    if not colour:
        return Text(f"  a picture of {picture.width} x {picture.height} pixels")
    picture.thumbnail((32, 32))
    width, height = picture.size
    pixels = np.asarray(picture)
    text = Text()
    for y in range(0, height - 1, 2):
        text.append("  ")
        for x in range(width):
            upper, lower = (f"rgb({r},{g},{b})" for r, g, b in pixels[y : y + 2, x])
            text.append("▀", style=f"{upper} on {lower}")
        text.append("\n")
    return text


def stages_table(entries: Sequence[Entry]) -> Table:
    """Return how scores moved through the stages that a model learned in turn."""
    caption = (
        "Score on the whole test split after each part, in points, ± half of the 95% interval over seeds. On the "
        "validation rows of the parts: forgetting (fall from the best), backward and forward transfer."
    )
    names, lines = tables.stages(entries)
    table = titled("Stages", caption)
    for i, name in enumerate(names):
        table.add_column(name, justify="left" if i < 4 else "right", overflow="fold")
    for line in lines:
        table.add_row(*(shown(text) for text in line))
    return table
