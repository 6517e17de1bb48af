"""Checkpoints against each other: verdicts, differences on one scale, and examples on which they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from showroom import pages, specimens
from showroom.axes import Scale, linear
from showroom.figures import Bar
from showroom.shelf import Snapshot
from suite.comparison import Comparison, Comparisons, Disagreement, TaskVerdict, compare
from suite.spec import SuiteError
from suite.tables import between, comparison_cells

MOST = 4
"""Rows that are compared at once."""

EXAMPLES = 4
"""Examples shown a task."""

TONES = {"different": "strong", "same": "good", "undecided": "", "not comparable": "warn"}
NUMBERS = ("metric", "A", "B", "A - B", "p", "P(A>B)", "delta", "seeds", "examples", "seeds to decide")


def compared(snapshot: Snapshot, words: Sequence[str], protocol: str) -> Comparisons:
    """Return the comparison of some rows, once for all who ask for it.

    Raises:
        SuiteError: fewer than two are named, or they cannot be told apart.
    """
    chosen, (name, _, cut) = tuple(words[:MOST]), protocol.partition(", ")
    if len(chosen) < 2:
        raise SuiteError("Choose two rows or more to compare.")

    def make() -> Comparisons:
        return compare(*chosen, store=snapshot.contents, protocol=name or None, resample=cut or "holdout")

    found: Comparisons = snapshot.once(("compared", chosen, protocol), make)
    return found


def html(snapshot: Snapshot, words: Sequence[str], protocol: str) -> str:
    """Return the comparison of some rows as a page, or the sentence that says why there is none."""
    try:
        pairs = compared(snapshot, words, protocol).pairs
    except SuiteError as error:
        return pages.render("compare", problem=str(error), pairs=[])
    return pages.render("compare", problem="", pairs=[_pair(pair) for pair in pairs], columns=NUMBERS)


def _pair(pair: Comparison) -> dict[str, Any]:
    judged = {task: one for task, one in pair.tasks.items() if one.difference is not None}
    scale = _scale(pair, judged)
    rows = [_row(task, one, scale) for task, one in judged.items()]
    if len(judged) > 1 and pair.difference is not None:
        whole = _bar(scale, pair.difference, pair.interval, pair.verdict)
        text = between(pair.difference, pair.interval)
        band = _same(scale, pair.delta)
        about = {"task": "all tasks", "about": "corrected for chance", "whole": True}
        rows.append(about | _judged(pair.verdict, whole, text, band))
    words = pair.words.removeprefix(f"A is {pair.a}, B is {pair.b}.").strip()
    return {
        "a": pair.a,
        "b": pair.b,
        "verdict": pair.verdict,
        "tone": TONES[pair.verdict],
        "words": words,
        "rows": rows,
        "scale": scale,
        "numbers": [(task, comparison_cells(one)) for task, one in pair.tasks.items()],
    }


def _scale(pair: Comparison, judged: dict[str, TaskVerdict]) -> Scale:
    """Return an axis of points, zero in its middle, that holds what is not far wider than the others."""
    scores = [one for one in judged.values() if one.greater_is_better]
    gaps = [abs(one.difference or 0) for one in scores] + [abs(pair.difference or 0)]
    ends = sorted(max(abs(end) for end in one.interval) for one in scores if one.interval)
    usual = ends[len(ends) // 2] if ends else 0.0
    reach = 100 * max([*gaps, min(ends[-1], 3 * usual) if ends else 0.0, 0.01]) * 1.15
    return linear(-reach, reach)


def _row(task: str, one: TaskVerdict, scale: Scale) -> dict[str, Any]:
    loss = not one.greater_is_better
    bar = None if loss else _bar(scale, one.difference or 0, one.interval, one.verdict)
    about = one.metric.replace("_", " ") + (", less is better: not on the scale" if loss else "")
    text = between(one.difference, one.interval, loss)
    band = None if loss else _same(scale, one.delta)
    return {"task": task, "about": about, "whole": False} | _judged(one.verdict, bar, text, band)


def _judged(verdict: str, bar: Bar | None, text: str, same: tuple[float, float] | None) -> dict[str, Any]:
    return {"bar": bar, "text": text, "same": same, "verdict": verdict, "tone": TONES[verdict]}


def _bar(scale: Scale, difference: float, interval: tuple[float, float] | None, verdict: str) -> Bar:
    ends = None if interval is None else (scale.at(100 * interval[0]), scale.at(100 * interval[1]))
    return Bar(scale.at(100 * difference), ends, "", strong=verdict == "different")


def _same(scale: Scale, delta: float | None) -> tuple[float, float] | None:
    return None if delta is None else (scale.at(-100 * delta), scale.at(100 * delta))


def disagreements(snapshot: Snapshot, words: Sequence[str], protocol: str) -> str:
    """Return the examples on which rows disagree most, as far as their texts and pictures can be had here."""
    try:
        found = compared(snapshot, words, protocol)
        shown = found.disagreements(EXAMPLES)
    except SuiteError as error:
        return pages.render("examples", problems=[str(error)], groups=[], none="")
    groups: list[dict[str, Any]] = []
    problems: dict[str, None] = {}
    for pair, cells, some in zip(found.pairs, found.cells, shown, strict=True):
        for task in dict.fromkeys(one.task for one in some):
            of_task = [one for one in some if one.task == task]
            inputs: dict[str, list[specimens.Input]] = {}
            try:
                inputs = specimens.inputs(cells[task][0][0], [one.id for one in of_task])
            except SuiteError as error:
                problems[str(error)] = None
            title = f"{task}: A {pair.a}, B {pair.b}"
            groups.append({"title": title, "examples": [_example(one, inputs) for one in of_task]})
    none = "They disagree on no example."
    return pages.render("examples", problems=list(problems), groups=groups, none=none)


def _example(one: Disagreement, inputs: dict[str, list[specimens.Input]]) -> dict[str, Any]:
    said = [
        (side, text, "right" if text == one.label else "wrong") for side, text in (("A says", one.a), ("B says", one.b))
    ]
    return {"inputs": inputs.get(one.id, [("row", "text", one.id)]), "says": [("label", one.label, ""), *said]}
