"""What the numbers say, in sentences: who is ahead, and how sure that is."""

from __future__ import annotations

from suite.evidence import Line, Section
from suite.evidence.words import counted, listed
from suite.tables import spread

LEGEND = (
    (
        "M",
        "The mean over tasks of (score - chance) / (best - chance): 0 is guessing, 100 is the best there is. A task "
        "whose chance level is not known counts with its score as it is.",
    ),
    (
        "±",
        "Half of the 95% interval: with another test set and other seeds the number would be expected inside. With "
        "one seed (*) it covers the test set only.",
    ),
    (
        "=",
        "The row cannot be told from the row that leads its group: the interval of their difference, over the same "
        "test examples and allowing for the number of pairs, holds zero. Such rows share a place, whatever the order.",
    ),
    (
        "!",
        "At least one run collapsed: it did no better than guessing by the rule that its record states. It counts "
        "in the mean.",
    ),
    (
        "?",
        "A task or fold is missing. M is then estimated from the scores that are there, with a wider interval, and "
        "the row has no rank; it has a letter in place of a number.",
    ),
    ("points", "Scores are told in points: 100 times the metric's value."),
)
"""Signs of the tables and what they mean, for a reader who is no statistician."""


def amount(section: Section) -> str:
    """Say how much there is of everything."""
    heads = [entry.head for entry in section.entries]
    models = len({(line.row.model, line.row.revision, line.row.init) for line in section.lines})
    ways = list(dict.fromkeys(line.way for line in section.lines))
    told = f" ({listed(sorted(ways))})" if len(ways) <= 5 else ""
    return (
        f"{counted(models, 'checkpoint')}, adapted in {counted(len(ways), 'way')}{told}, on "
        f"{counted(len(section.columns), 'task')}: {counted(len(section.lines), 'row')} from "
        f"{counted(len(heads), 'record')}, {seeds(section)} a cell."
    )


def seeds(section: Section) -> str:
    """Return '3 seeds' or '1 to 3 seeds'."""
    names = {column.name for column in section.columns}
    found = [cell.seeds for line in section.lines for task, cell in line.row.tasks.items() if task in names]
    low, high = min(found), max(found)
    return counted(low, "seed") if low == high else f"{low} to {high} seeds"


def lead(section: Section) -> str:
    """Say which row is ahead, and whether it can be told from the next."""
    lines, measure = section.complete, section.measure
    if not lines:
        return f"Nothing can be ranked: {section.why_no_mean}"
    first = f"{lines[0].name} ({measure} {_of(section, lines[0])})"
    if len(lines) == 1:
        others = len(section.lines) - 1
        more = f" {counted(others, 'more row')} lack a task." if others > 1 else " One more row lacks a task." * others
        return f"{first} is the only row with a score of every task: there is nothing to rank it against.{more}"
    tied = section.leaders[1:]
    if not tied:
        return f"{first} is ahead, and can be told from the next, {lines[1].name} ({_of(section, lines[1])})."
    names = [f"{line.name} ({_of(section, line)})" for line in tied[:2]]
    rest = [counted(len(tied) - 2, "more row")] if len(tied) > 2 else []
    if len(tied) == len(lines) - 1 and len(lines) > 2:
        return f"{first} comes first of {len(lines)}, which may be chance: no row can be told from any other of them."
    return f"{first} comes first, but cannot be told from {listed(names + rest)}: they share the first place."


def _of(section: Section, line: Line) -> str:
    return spread(line.mean, line.interval, section.loss)
