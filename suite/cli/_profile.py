"""Where the time of a command's runs went, as a table: a row for what was run alike, a column for each phase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from suite import timing

if TYPE_CHECKING:
    from rich.table import Table

    from suite.spec import Record

SMALL = 0.005
"""Phases that take less than this share in every row have no column; they count as `other`."""


class Profile:
    """The seconds of the runs that were just made, by what was run and by phase."""

    def __init__(self) -> None:
        """Start with none."""
        self._runs: dict[str, list[Mapping[str, float]]] = defaultdict(list)

    @property
    def runs(self) -> int:
        """How many records were counted."""
        return sum(len(of_one) for of_one in self._runs.values())

    def add(self, record: Record) -> None:
        """Count a run's record."""
        spec = record.spec
        joint = " joint" if len(spec.tasks) > 1 else ""
        name = f"{spec.checkpoint.label} · {record.task} · {spec.strategy}{joint}"
        self._runs[name].append(timing.of_cost(record.cost))

    def table(self, command: timing.Clock) -> Table:
        """Return the runs' mean seconds, and in the title what this command itself spent beside them."""
        from rich.table import Table

        from suite.display import shown

        means = {name: _mean(runs) for name, runs in self._runs.items()}
        columns = _columns(list(means.values()))
        own = ", ".join(f"{name} {found:.1f} s" for name, found in command.phases.items() if name != "runs")
        table = Table(
            "seconds a run", "runs", "all", *columns, title=f"This command itself: {own}", title_justify="left"
        )
        for column in table.columns[1:]:
            column.justify = "right"
        for name, spent in means.items():
            whole = sum(spent.values())
            told = [spent.get(column, 0.0) for column in columns[:-1]]
            cells = (f"{found:.2f}" for found in (whole, *told, whole - sum(told)))
            table.add_row(shown(name), str(len(self._runs[name])), *cells)
        return table


def _mean(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: found / len(runs) for name, found in timing.total(runs).items()}


def _columns(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the phases that take a share worth telling in some row, and `other`."""
    large = {name for row in rows for name, found in row.items() if found > SMALL * sum(row.values())}
    return [*(name for name in timing.PHASES if name in large - {"other"}), "other"]
