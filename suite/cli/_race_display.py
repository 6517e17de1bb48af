"""What a terminal shows of a race: everyone's state, the runs done and what is being run; plain lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from suite.display import GridDisplay, shown, titled
from suite.spec import Failure
from suite.stats.racing import Look

if TYPE_CHECKING:
    from suite.grid import Done
    from suite.selection import Raced
    from suite.spec import RunSpec

STYLES = {"leading": "bold green", "removed": "dim", "failed": "red"}


class RaceDisplay(GridDisplay):
    """The grid's display, of which few runs may be needed, under a table of who stands where."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        super().__init__(0, console, quiet)
        self._raced: Raced | None = None
        self._live = Live(get_renderable=self._both, console=console, refresh_per_second=4, transient=True)

    def watch(self, raced: Raced, event: Done | Failure | Look | None) -> None:
        """Show what has come of a run, or of a look."""
        self._raced, self._total = raced, raced.runs_full
        self._progress.update(self._grid, total=raced.runs_full)
        if isinstance(event, Look):
            if not self._quiet:
                self._print(shown(raced.look_words(event)))
        elif isinstance(event, Failure):
            self.finished(event, stored=False)
        elif event is not None:
            self.finished(event.record, event.stored)

    def event(self, spec: RunSpec, event: dict[str, Any]) -> None:
        """Show what a run is doing."""
        if not self._quiet or "note" in event:
            super().event(spec, event)

    def _both(self) -> Group:
        return Group(*([race_table(self._raced)] if self._raced else []), self._progress)


def race_table(raced: Raced) -> Table:
    """Return who stands where: M over the tasks run so far, runs, and what became of everyone."""
    seeds = f"at most {raced.rules.seeds} seed{'s' if raced.rules.seeds != 1 else ''}"
    caption = (
        f"{raced.strategy}, protocol {raced.protocol}, {seeds}, alpha {raced.rules.alpha:g}. "
        f"Tasks in the order of the race: {', '.join(raced.tasks)}. M: mean of chance-corrected scores over the tasks "
        "that were run, in points. Behind: how much of it the leader was ahead when a checkpoint was removed."
    )
    table = titled("Race", caption)
    for name in ("checkpoint", "mean loss" if raced.loss else "M", "tasks", "runs", "state"):
        table.add_column(name, justify="left" if name in ("checkpoint", "state") else "right", overflow="fold")
    for one in raced.standings():
        cells = (one.label, one.score, f"{one.tasks}/{len(raced.tasks)}", str(one.runs), one.words)
        table.add_row(*(shown(text) for text in cells), style=STYLES.get(one.state))
    return table
