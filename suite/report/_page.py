"""Sections -> one HTML page that loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from suite import resources
from suite.evidence import Section, pins, words
from suite.evidence.pins import Table
from suite.evidence.words import clean
from suite.report import _svg, _theme, _words
from suite.report._plot import Plot
from suite.report._table import COSTS, BoardTable, board_table, costs
from suite.tables import notes

TEMPLATE = "report.html.jinja"
_NOTES = 6
"""Notes that stand open on the page; a longer list is folded."""


@dataclass(frozen=True)
class Figure:
    """A plot as the page shows it; `svg` is empty where there is none."""

    plot: Plot
    svg: str


@dataclass(frozen=True)
class Part:
    """A section with everything that the template shows of it."""

    section: Section
    lead: str
    amount: str
    cautions: list[str]
    table: BoardTable
    costs: Table
    notes: list[str]
    figures: list[Figure]


def html(found: Sequence[tuple[Section, Sequence[Plot]]], left_out: Sequence[str], store: str) -> str:
    """Return the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(resources.folder("cards")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [section for section, _ in found]
    parts = [_part(section, plots) for section, plots in found]
    return environment.get_template(TEMPLATE).render(
        parts=parts,
        store=clean(store),
        title=_title(sections),
        facts=_facts(sections),
        left_out=[clean(note) for note in left_out],
        legend=_words.LEGEND,
        roles=_theme.ROLES,
        many=_NOTES,
        **_method(sections),
    )


def _part(section: Section, plots: Sequence[Plot]) -> Part:
    board_told = section.loss and bool(section.board.tasks)  # by the section of the same board's scores
    return Part(
        section=section,
        lead=_words.lead(section),
        amount=_words.amount(section),
        cautions=words.cautions(section),
        table=board_table(section),
        costs=Table(("#", "checkpoint", "strategy", *COSTS), costs(section)),
        notes=[] if board_told else [clean(note) for note in notes(section.board)],
        figures=[Figure(plot, _drawn(plot)) for plot in plots],
    )


def _drawn(plot: Plot) -> str:
    """Return a plot as SVG, marked as safe: matplotlib and ElementTree have escaped what is in it."""
    from markupsafe import Markup

    if plot.figure is None:
        return ""
    return Markup(_svg.inline(plot.figure, plot.name, plot.title, plot.description))


def _title(sections: Sequence[Section]) -> str:
    if not sections:
        return "Nothing to report"
    models = len({(line.row.model, line.row.revision, line.row.init) for section in sections for line in section.lines})
    tasks = len({column.name for section in sections for column in section.columns})
    return f"{words.counted(models, 'checkpoint')} on {words.counted(tasks, 'task')}"


def _facts(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return the few numbers at the top of the page."""
    heads = [entry.head for section in sections for entry in section.entries]
    if not heads:
        return []
    days = sorted({head.created[:10] for head in heads})
    rows, seeds = sum(len(section.lines) for section in sections), len({head.seed for head in heads})
    return [
        (f"{len({head.key for head in heads}):,}", "records"),
        (f"{rows:,}", "row" if rows == 1 else "rows"),
        (f"{seeds:,}", "seed" if seeds == 1 else "seeds"),
        (f"{sum(head.test for head in heads):,}", "scored examples"),
        (" to ".join(dict.fromkeys((days[0], days[-1]))), "when the runs were made"),
    ]


def _method(sections: Sequence[Section]) -> dict[str, Any]:
    """Return what the page says of how it was measured."""
    return {
        "protocols": [(titles, words.protocol(given, cut)) for titles, given, cut in pins.protocols(sections)],
        "tables": [
            ("Checkpoints", pins.checkpoints(sections)),
            ("Tasks", pins.tasks(sections)),
            ("Strategies", pins.strategies(sections)),
            ("Overlap of training and test rows", pins.contamination(sections)),
            ("Machine and versions", pins.environment(sections)),
        ],
        "commands": pins.commands(sections),
    }
