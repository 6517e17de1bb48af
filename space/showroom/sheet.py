"""One row in full: its scores among all others, what it took, what it is, and how to do it again."""

from __future__ import annotations

from dataclasses import replace

from showroom import figures, pages
from suite.evidence import Line, Section, pins
from suite.evidence.words import counted, told
from suite.tables import count, spread

_KEYS = 6


def html(section: Section, line: Line) -> str:
    """Return all that is known of a row; its bars stand on tracks that span the scores of the whole board."""
    row, place = line.row, section.lines.index(line)
    scores = [
        {
            "task": panel.title,
            "metric": panel.below,
            "bar": bar,
            "guess": panel.mark,
            "text": bar.text,
            "seeds": row.tasks[panel.title].seeds,
        }
        for panel in figures.forest(section, section.lines)
        if (bar := panel.bars[place]) is not None
    ]
    keys = [entry.head.key[:12] for entry in line.entries]
    return pages.render(
        "row",
        section=section,
        line=line,
        chips=_chips(section, line),
        scores=scores,
        remarks=_remarks(line),
        costs=_costs(line),
        pins=_pins(line),
        commands=pins.commands([replace(section, lines=(line,))]) if line.entries else [],
        keys=keys[:_KEYS],
        more_keys=max(0, len(keys) - _KEYS),
    )


def _chips(section: Section, line: Line) -> list[tuple[str, str]]:
    row = line.row
    chips = [("strong", f"rank {line.number} of {len(section.complete)}")] if line.ranked else [("warn", "provisional")]
    if line.mean is not None:
        chips.append(("", f"{section.measure} {spread(line.mean, line.interval, section.loss)}"))
    tied = sum(one.tie_group == line.tie_group for one in section.lines) - 1 if line.ranked else 0
    if tied:
        chips.append(("", f"shares its place with {counted(tied, 'row')}"))
    if row.mean_rank is not None and not section.loss:
        chips.append(("", f"mean rank {row.mean_rank:.1f}"))
    if all(cell.seeds == 1 and cell.folds == 1 for cell in row.tasks.values()):
        chips.append(("warn", "one seed"))
    if fell := sum(cell.collapsed for cell in row.tasks.values()):
        chips.append(("warn", f"{counted(fell, 'run')} collapsed"))
    if row.init != "pretrained":
        chips.append(("", f"{row.init} weights"))
    return chips


def _remarks(line: Line) -> str:
    seen = [f"{task} {cell.seen} of {cell.n}" for task, cell in line.row.tasks.items() if cell.seen]
    return f"Test rows that training rows hold too: {', '.join(seen)}." if seen else ""


def _costs(line: Line) -> list[tuple[str, str]]:
    row = line.row
    share = f" ({100 * row.trainable_params / row.params:.3g}%)" if row.params and row.trainable_params else ""
    return [
        ("trained", f"{count(row.trainable_params)} parameters of {count(row.params)}{share}"),
        ("time", "not known" if row.seconds is None else f"{row.seconds:.1f} s a run, on average"),
        ("memory", "not known" if row.peak_memory is None else f"{row.peak_memory / 1e9:.2g} GB at its peak"),
    ]


def _pins(line: Line) -> list[tuple[str, str]]:
    row = line.row
    return [
        ("checkpoint", row.model),
        ("revision", row.revision),
        ("weights", row.init),
        ("strategy", line.way),
        ("settings", told(row.settings)),
        *([("trunk shared by", ", ".join(row.trunk))] if row.trunk else []),
        ("data cut by", row.resample),
    ]
