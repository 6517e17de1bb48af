"""A store as one page to read and to pass on: boards, figures and protocol, in a file that loads nothing.

suite.report.write_report("report.html", store="./results", plots="figures")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from suite.admission import Filter, read
from suite.report._cost import COSTS, Cost, front
from suite.report._plot import Mark, window
from suite.report._words import LEGEND, amount, lead
from suite.spec import SuiteError, TaskSpec, unknown

if TYPE_CHECKING:
    from suite.evidence import Section
    from suite.index import Contents
    from suite.report._plot import Plot
    from suite.store import Store

__all__ = [
    "COSTS",
    "LEGEND",
    "Cost",
    "Mark",
    "Report",
    "amount",
    "front",
    "lead",
    "render",
    "window",
    "write_report",
]


@dataclass(frozen=True)
class Report:
    """What was written where: the page, the figures, and how many boards and records they show."""

    page: Path
    plots: tuple[Path, ...]
    boards: int
    records: int


def render(
    store: str | Store | Contents = "./results",
    tasks: Sequence[TaskSpec] | None = None,
    only: Filter | None = None,
) -> str:
    """Return the report of a store as one HTML page. The same store gives the same page.

    Args:
        store: a folder, an fsspec URL, an open store, or what one holds.
        tasks: the boards' columns; by default every task that has a record.
        only: which records to show.

    Raises:
        SuiteError: the store cannot be opened, or there is no such way to cut data.
    """
    from suite.evidence import words
    from suite.report import _page

    sections, left_out = _sections(store, tasks, only)
    return _page.html([(section, _plots(section)) for section in sections], left_out, words.called(store))


def write_report(
    path: str | Path = "report.html",
    store: str | Store | Contents = "./results",
    tasks: Sequence[TaskSpec] | None = None,
    only: Filter | None = None,
    plots: str | Path | None = None,
    plot_format: str = "svg",
) -> Report:
    """Write the report of a store, and say what was written.

    Args:
        path: the page's file; folders on the way are made.
        store: a folder, an fsspec URL, an open store, or what one holds.
        tasks: the boards' columns; by default every task that has a record.
        only: which records to show.
        plots: a folder for every figure as a file of its own; none by default.
        plot_format: svg or png.

    Raises:
        SuiteError: a file cannot be written, the store cannot be opened, or there is no such format or way to cut data.
    """
    from suite.evidence import words
    from suite.report import _page, _svg

    if plot_format not in _svg.FORMATS:
        raise unknown("plot format", plot_format, _svg.FORMATS)
    page, folder = Path(path), None if plots is None else Path(plots)
    _check(page, folder)
    sections, left_out = _sections(store, tasks, only)
    found = [(section, _plots(section)) for section in sections]
    _write(page, _page.html(found, left_out, words.called(store)))
    drawn = [plot for _, each in found for plot in each] if folder else []
    written = tuple(_save(plot, folder, plot_format) for plot in drawn if folder and plot.figure)
    records = len({entry.head.key for section in sections for entry in section.entries})
    return Report(page, written, len(sections), records)


def _sections(
    store: str | Store | Contents, tasks: Sequence[TaskSpec] | None, only: Filter | None
) -> tuple[list[Section], list[str]]:
    from suite.evidence import sections

    return sections(read(store), tasks, only or Filter())


def _plots(section: Section) -> list[Plot]:
    """Return every plot of a section, in the order of the page."""
    from suite.report import _cost, _critical, _curves, _forest, _ranks, _seeds, _theme

    makers = (
        _forest.means,
        _forest.by_task,
        _ranks.distribution,
        _critical.difference,
        _cost.pareto,
        _seeds.spread,
    )
    with _theme.style():
        return [make(section) for make in makers] + _curves.curves(section)


def _check(page: Path, folder: Path | None) -> None:
    """Make the folders that are needed, before minutes are spent on what could not be written."""
    if page.is_dir():
        raise SuiteError(
            f"The report cannot be written: '{page}' is a folder; name a file, as in -o {page}/report.html."
        )
    if folder and folder.exists() and not folder.is_dir():
        raise SuiteError(f"The figures cannot be written: '{folder}' is a file; --plots takes a folder.")
    for needed in (page.parent, *([folder] if folder else [])):
        try:
            needed.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SuiteError(f"The folder '{needed}' cannot be made: {error.strerror or error}.") from None


def _write(page: Path, text: str) -> None:
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SuiteError(f"The report '{page}' cannot be written: {error.strerror or error}.") from None


def _save(plot: Plot, folder: Path, plot_format: str) -> Path:
    from suite.report import _svg

    path = folder / f"{plot.name}.{plot_format}"
    assert plot.figure is not None  # asked before
    _svg.save(plot.figure, path)
    return path
