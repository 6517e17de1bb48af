"""The card of a checkpoint as it was pre-trained: how well it adapts, by what measure, and what that does not say."""

from __future__ import annotations

import inspect
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from suite import strategies
from suite.cards import Card, _tables
from suite.cards._checkpoint import Checkpoint
from suite.cards._front_matter import INDEX
from suite.cards._metadata import TAG, Fact, eval_results, metric_of, model_index, on_hub
from suite.cards._render import render
from suite.cards._tables import adapted, way_of
from suite.cards._text import code, joined, said
from suite.evidence import Column, Line, Section, pins, words
from suite.evidence.words import counted
from suite.leaderboard import Cell
from suite.tables import spread

TEMPLATE = "model_card.md.jinja"
LIMITS = (
    "They are scores of the checkpoint *after* it was adapted as described, and say nothing of what it does as it is.",
    "Another recipe, a longer training or a search for settings may give other scores, and other checkpoints may gain "
    "more by it than this one: only numbers under the same protocol stand beside each other.",
    "An interval allows for other test rows like these and, where there are several seeds, for other seeds. It allows "
    "neither for wrong labels, nor for texts or pictures of another source, nor for another choice of tasks.",
    "Nothing here was measured on generation, on languages and subjects that the tasks do not have, on bias, on "
    "safety, or on speed in use.",
    "Whether the checkpoint met test rows when it was pre-trained is not known: only the rows that the runs trained on "
    "were there to be looked through.",
)
"""What numbers like these do not say, whatever they are."""


def made(checkpoint: Checkpoint, source: str | None, licence: Mapping[str, str]) -> Card:
    """Return the card of a checkpoint whose records can be seen at an address, if anybody said so."""
    found = list(facts(checkpoint))
    name = checkpoint.name.rpartition("/")[2]
    metadata: dict[str, Any] = {
        **licence,
        "metrics": sorted({metric_of(fact.metric) for fact in found}),
        "tags": [TAG],
    }
    if index := model_index(name, found, source):
        metadata[INDEX] = index
    shown = render(TEMPLATE, view(checkpoint))
    return Card(str(code(checkpoint.name)), shown, metadata, eval_results([f for f in found if f.main], source))


def facts(checkpoint: Checkpoint) -> Iterator[Fact]:
    """Yield every score of the checkpoint's own weights, as metadata can hold it: of each task the main one first."""
    for section in checkpoint.sections:
        for line in adapted(section):
            for column in section.columns:
                if cell := line.row.tasks.get(column.name):
                    yield from _facts(section, line, column, cell)


def _facts(section: Section, line: Line, column: Column, cell: Cell) -> Iterator[Fact]:
    """Yield the score of a cell with its interval, then the means of what else its runs measured."""
    entries = line.of(column.name)
    row = line.row
    way = f"{row.way} [{row.mark}]" if row.mark else row.way
    records = [entry.record for entry in entries]
    of = Fact(
        spec=records[0].spec,
        task=column.task,
        metric=column.main.name,
        value=cell.mean,
        words=f"{way}, {rests_on(cell)}, protocol {section.board.protocol}",
        date=max(entry.head.created for entry in entries),
        way=way,
    )
    yield of
    words = f"{way}, {seeds_and_rows(cell)}, protocol {section.board.protocol}"
    shared = set.intersection(*(set(record.metrics) for record in records)) - {column.main.name}
    for name in sorted(shared):
        value = statistics.fmean(record.metrics[name] for record in records)
        yield replace(of, metric=name, value=value, words=words, main=False)


def rests_on(cell: Cell) -> str:
    """Say how many seeds and test rows a score rests on, and how sure it is."""
    ends = "no interval" if cell.interval is None else "95% interval {:.4g} to {:.4g}".format(*cell.interval)
    return seeds_and_rows(cell, f", {ends}")


def seeds_and_rows(cell: Cell, between: str = "") -> str:
    """Say how many seeds and test rows a score rests on."""
    return f"mean of {counted(cell.seeds, 'seed')}{between}, {counted(cell.n, 'test row')}"


def view(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what the template of a checkpoint's card shows."""
    found = checkpoint.sections
    return {
        "name": checkpoint.name,
        "revision": checkpoint.revision,
        "on_hub": checkpoint.on_hub,
        "parts": [_part(section) for section in found if adapted(section)],
        "costs": _tables.costs(found),
        "twin_commands": _twin_commands(found),
        "protocols": [(titles, words.protocol(given, cut)) for titles, given, cut in pins.protocols(found)],
        "ways": described(line.row.strategy for section in found for line in adapted(section)),
        "several": len(found) > 1,
        "tasks": pins.tasks(found),
        "strategies": pins.strategies(found),
        "environment": pins.environment(found),
        "contamination": pins.contamination(found),
        "not_looked": _not_looked(found),
        "commands": pins.commands(found),
        "left_out": checkpoint.left_out,
        "limits": limits(checkpoint),
        "dates": dates(found),
        "records": len({entry.head.key for section in found for entry in section.entries}),
    }


def _part(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "lead": lead(section),
        "scores": _tables.scores(section),
        "legend": _tables.legend(section),
        "worth": _tables.worth(section) if _tables.pairs(section) else None,
        "cells": _tables.cells(section),
        "corrected": section.corrected,
        "loss": section.loss,
    }


def lead(section: Section) -> Markup:
    """Say what was adapted to what, and which way came first, as far as they can be told apart."""
    lines = adapted(section)
    ways = list(dict.fromkeys(way_of(line) for line in lines))
    amount = said(
        "It was adapted to {tasks} in {ways} ({named}), with {seeds} a cell.",
        tasks=counted(len(section.columns), "task"),
        ways=counted(len(ways), "way"),
        named=joined(ways),
        seeds=_seeds(section),
    )
    return Markup(f"{amount} {_first(section)}")


def _seeds(section: Section) -> str:
    names = {column.name for column in section.columns}
    found = [cell.seeds for line in adapted(section) for task, cell in line.row.tasks.items() if task in names]
    low, high = min(found), max(found)
    return counted(low, "seed") if low == high else f"{low} to {high} seeds"


def _first(section: Section) -> Markup:
    ranked = [line for line in adapted(section) if line.ranked]
    if not ranked:
        return Markup("No way has a score of every task, so that none has a mean over all of them.")
    best, *others = ranked
    measure = f"{'a' if section.loss else 'an'} {section.measure}"
    of = said("{measure} of {mean}", measure=measure, mean=spread(best.mean, best.interval, section.loss))
    if not others and len(adapted(section)) > 1:
        return said("{way} alone has a score of every task, and {of}.", way=way_of(best), of=of)
    if not others:
        return said("{way} has {of}.", way=way_of(best), of=of)
    tied = [line for line in others if line.tie_group == best.tie_group]
    if not tied:
        return said("{way} comes first with {of}.", way=way_of(best), of=of)
    named = joined([way_of(line) for line in tied])
    return said("{way} comes first with {of}, but cannot be told from {named}.", way=way_of(best), of=of, named=named)


def described(ways: Iterable[str]) -> list[tuple[Markup, str]]:
    """Return strategies with what each does, in the first line that it says of itself."""
    known = [way for way in dict.fromkeys(ways) if way in strategies.names()]
    return [(code(way), (inspect.getdoc(type(strategies.get(way))) or "").partition("\n")[0]) for way in known]


def dates(found: Sequence[Section]) -> str:
    """Return when the runs were made: a day, or the first and the last."""
    days = sorted({entry.head.created[:10] for section in found for entry in section.entries})
    return " to ".join(dict.fromkeys((days[0], days[-1])))


def _not_looked(found: Sequence[Section]) -> Markup | None:
    """Return the tasks of which no record says whether training rows hold test rows, where others do."""
    looked = {row[0] for row in pins.contamination(found).rows}
    names = [column.name for section in found for column in section.columns if column.name not in looked]
    return joined([code(name) for name in names]) if looked and names else None


def of_its_own(section: Section) -> Section:
    """Return a section without the rows of random weights."""
    return replace(section, lines=tuple(adapted(section)))


def _twin_commands(found: Sequence[Section]) -> list[str]:
    """Return the commands that would make the runs from random weights; none where there are some."""
    if any(_tables.pairs(section) for section in found):
        return []
    return [f"{command} --init random" for command in pins.commands([of_its_own(section) for section in found])]


def limits(checkpoint: Checkpoint) -> list[Markup]:
    """Say in plain words what the numbers do not say."""
    found, several = checkpoint.sections, len(checkpoint.sections) > 1
    cautions = [(section.title, one) for section in found for one in words.cautions(of_its_own(section))]
    own = [said("{title}: {one}" if several else "{one}", title=title, one=one) for title, one in cautions]
    return [*map(Markup, LIMITS), *own, *_unnamed(checkpoint)]


def _unnamed(checkpoint: Checkpoint) -> list[Markup]:
    """Say which tasks the card's metadata leave out: those whose data have no name on the Hub."""
    tasks = [column.task for section in checkpoint.sections for column in section.columns]
    if not (names := [task.name for task in tasks if not on_hub(task)]):
        return []
    return [unnamed(names)]


def unnamed(names: Sequence[str]) -> Markup:
    """Say of tasks that metadata have no field for them."""
    return said(
        "The data of {names} lie in files and not in a data set of the Hub, so that the metadata of this card, which "
        "name data sets of the Hub alone, leave {out} out.",
        names=joined([code(name) for name in dict.fromkeys(names)]),
        out="it" if len(set(names)) == 1 else "them",
    )
