"""Sentences that pages and cards share: how it was measured, and what weakens the numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suite import resampling
from suite.legible import clean as clean
from suite.spec import Protocol, SuiteError

if TYPE_CHECKING:
    from suite.evidence._sections import Section


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return '1 task', '3 tasks'."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return 'a', 'a and b', 'a, b and c'."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def called(store: object) -> str:
    """Return what a page calls a store: a URL without the key to it, of a folder the last part, '' of neither."""
    url = store if isinstance(store, str) else str(getattr(store, "url", ""))
    return re.sub(r"//[^/@]*@", "//", url) if "://" in url else Path(url).name


def cautions(section: Section) -> list[str]:
    """Say what weakens the numbers."""
    names = {column.name for column in section.columns}
    cells = [cell for line in section.lines for task, cell in line.row.tasks.items() if task in names]
    found = []
    if single := sum(cell.seeds == 1 and cell.folds == 1 for cell in cells):
        found.append(
            f"{single} of {counted(len(cells), 'cell')} {'rests' if single == 1 else 'rest'} on one seed: what another "
            "seed would change is not in the interval."
        )
    if collapsed := sum(cell.collapsed for cell in cells):
        found.append(
            f"{counted(collapsed, 'run')} of {len(section.entries):,} collapsed to guessing; they count in the means."
        )
    if failed := sum(cell.failed for cell in cells):
        found.append(f"{counted(failed, 'example')} got no finite score and count as scored 0.")
    if provisional := len(section.lines) - len(section.complete):
        verb = "lacks" if provisional == 1 else "lack"
        found.append(
            f"{counted(provisional, 'row')} {verb} a task or fold and {'has' if provisional == 1 else 'have'} no rank."
        )
    if bare := sum(cell.interval is None for cell in cells):
        found.append(
            f"{counted(bare, 'cell')} {'has' if bare == 1 else 'have'} no interval: too few examples, or all alike."
        )
    if len(section.columns) == 1:
        found.append("One task is no more than one task: another may order the rows otherwise.")
    return found


def protocol(found: Protocol, resample: str) -> list[tuple[str, str]]:
    """Return a protocol as terms and sentences."""
    budget, looks = found.budget, found.selection.looks
    times = [f"{rate:g}" for rate in found.selection.learning_rates]
    rates = "the strategy's own" if times == ["1"] else f"{listed(times)} times the strategy's own"
    several = len(found.selection.learning_rates) > 1
    limits = [f"at most {n:,} {split} rows" for split, n in sorted(found.limits.items())]
    said = [
        ("Name", f"{found.name}, version {found.version}. {found.description}".strip()),
        (
            "Training",
            f"{budget.epochs:g} epoch{'s' * (budget.epochs != 1)} over the training rows, but "
            f"at least {budget.min_steps:,} and at most "
            f"{budget.max_steps:,} steps, {found.batch} rows a step; precision {found.precision}; texts are cut after "
            f"{found.max_length} tokens. {_rate(found)}",
        ),
        (
            "Choice",
            f"{counted(looks, 'look')} at the validation score along each run"
            f"{', of which the best is kept' * (looks > 1)}. "
            f"Learning rate{'s' * several} tried: {rates}{', the best being kept' * several}. "
            "Nothing is ever chosen on the test rows.",
        ),
        ("Rows", f"{listed(limits)}; all test rows.".capitalize() if limits else "All rows of every split."),
        ("Seeds", f"{counted(found.seeds, 'seed')} a cell by the protocol; the table says how many there are."),
        ("Cut of the data", way_of(resample)),
    ]
    if found.settings:
        said.append(("Settings", "; ".join(f"{way}: {told(given)}" for way, given in sorted(found.settings.items()))))
    return said


def _rate(found: Protocol) -> str:
    return (
        f"The learning rate rises over the first {100 * found.warmup:g}% of the steps and then follows a "
        f"{found.schedule.replace('_', ' ')} schedule; weight decay {found.weight_decay:g}, gradients clipped at "
        f"{found.max_grad_norm:g}."
    )


def told(settings: object) -> str:
    """Return settings as a line of names and values."""
    if not isinstance(settings, dict) or not settings:
        return "none"
    return ", ".join(f"{name} {clean(str(value))}" for name, value in sorted(settings.items()))


def way_of(resample: str) -> str:
    """Say how the data was cut."""
    try:
        way = resampling.parse(resample)
    except SuiteError:
        return f"{resample}, which this version does not know."
    return {
        "holdout": "the task's own training, validation and test rows.",
        "kfold": f"all rows in {way.count} folds, each tested once by a model trained on the others.",
        "loo": "all rows, each tested by what the others say.",
        "bootstrap": f"{way.count} draws with replacement from all rows, each tested on the rows not drawn.",
        "partition": f"the training rows in {way.count} parts, a run on each, all tested on the same test rows.",
        "sequential": f"the training rows in {way.count} parts, learned in turn by one run.",
    }[way.name].capitalize()
