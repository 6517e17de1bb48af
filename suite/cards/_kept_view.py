"""What the template of the card of kept weights shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from suite import kinds
from suite.artifacts import About
from suite.cards._base import described, unnamed
from suite.cards._loading import FOLDER, loading
from suite.cards._metadata import on_hub
from suite.cards._tables import NONE
from suite.cards._text import code, joined, said, table
from suite.comparable import trunk_of
from suite.evidence import pins, words
from suite.evidence.words import counted, told
from suite.leaderboard import Cell
from suite.spec import Record
from suite.tables import count

if TYPE_CHECKING:
    from suite.cards._kept import Weights

LABELS = 200
"""Labels that a card lists."""


def view(weights: Weights, repo: str | None, licence: str | None) -> dict[str, Any]:
    record, about = weights.record, weights.about
    found = [weights.section] if weights.section else []
    pair = "text_pair" in record.task_spec.columns
    return {
        "what": weights.what,
        "record": record,
        "spec": record.spec,
        "task": record.task_spec,
        "base": about.base,
        "base_on_hub": not about.base.revision.startswith("sha256:"),
        "needs_path": _needs_path(about),
        "seeds": counted(weights.cell.seeds, "seed") if weights.cell else None,
        "several_seeds": weights.cell is not None and weights.cell.seeds > 1,
        "asks": _asks(record.task_spec.kind, pair),
        "answers": _answers(about),
        "labels": _labels(about),
        "code": loading(about, repo, pair),
        "folder": FOLDER if repo is None else None,
        "ours": about.library == "safetensors" or (about.library == "peft" and about.base.init == "random"),
        "scores": _scores(weights),
        "data": _data(record),
        "contamination": pins.contamination(found) if found else None,
        "clean": _clean(record),
        "terms": words.protocol(record.spec.protocol, record.spec.resample),
        "ways": described([record.spec.strategy]),
        "settings": told(record.spec.settings),
        "cost": _cost(record),
        "commands": [f"{command} --keep-weights" for command in pins.commands(found)],
        "environment": pins.environment(found) if found else None,
        "files": table(("file", "sha256"), [[code(n), code(m)] for n, m in sorted(record.artifact.items())], left=2),
        "limits": _limits(weights, licence),
    }


def _needs_path(about: About) -> bool:
    """Return whether the code names a base checkpoint that nobody else knows by that name."""
    if about.library not in ("peft", "safetensors") or not about.base.revision.startswith("sha256:"):
        return False
    return about.library == "peft" or not about.base.name.startswith("bundled/")


def _asks(kind: str, pair: bool) -> str:
    """Return what a kind of weights is given."""
    known = {
        "question_answering": "a question and a text that may hold its answer",
        "multiple_choice": "a text and the choices that could go with it",
        "token_classification": "a text, as a list of its words",
    }
    if kind in known or kind not in kinds.names():
        return known.get(kind, "an input")
    if kinds.get(kind).modality == "image":
        return "a picture"
    return "two texts" if pair else "a text"


def _answers(about: About) -> str:
    """Return what a kind of weights answers."""
    if about.kind == "multiple_choice":
        return "one of the choices"
    target = kinds.get(about.kind).target if about.kind in kinds.names() else ""
    return {
        "class": f"one of {len(about.classes)} labels",
        "labels": f"any of {len(about.classes)} labels, none among them",
        "number": "a number",
        "tags": f"one of {len(about.classes)} tags for every word",
        "text": "a part of the text" + (", or nothing" if len(about.classes) > 1 else ""),
    }.get(target, "an answer")


def _labels(about: About) -> Markup | None:
    """Return the labels in their order; None where the answers are no labels of the task's."""
    if about.kind not in kinds.names() or kinds.get(about.kind).target in ("number", "text"):
        return None
    listed = [code(label) if label.strip() else said("(empty)") for label in about.classes[:LABELS]]
    more = len(about.classes) - len(listed)
    return joined([*listed, *([f"{more:,} more"] if more else [])])


def _scores(weights: Weights) -> Markup:
    """Return every metric of these weights, and beside the main one the mean over all seeds; in the metrics' units."""
    record, cell = weights.record, weights.cell
    rows = [[code(record.main.name), f"{record.metrics[record.main.name]:.4g}", *_of_all_seeds(cell)]]
    for name in sorted(record.metrics.keys() - {record.main.name}):
        rows.append([code(name), f"{record.metrics[name]:.4g}", NONE, NONE])
    head = ("metric", f"these weights (seed {record.spec.seed})", "mean over seeds", "95% interval")
    return table(head, rows, left=1)


def _of_all_seeds(cell: Cell | None) -> tuple[str, str]:
    if cell is None:
        return NONE, NONE
    return f"{cell.mean:.4g}", NONE if cell.interval is None else "{:.4g} to {:.4g}".format(*cell.interval)


def _data(record: Record) -> Markup:
    """Return what it was trained on, with its pins."""
    task, counts = record.task_spec, record.counts
    data = task.dataset
    revision = f"{data.revision or 'none'}{' (that of the day: the task file names none)' * data.unpinned}"
    rows: list[list[object]] = [
        ["task", said("{name}, version {version}", name=code(task.name), version=task.version)],
        [
            "data",
            " ".join(filter(None, (data.path if data.data_files is None else data.source or data.path, data.config))),
        ],
        ["revision", code(revision)],
        ["licence of the data", data.license or "not told by the task file"],
        *_cut(record),
        ["rows trained on", f"{counts.get('train', 0):,}"],
        ["rows to choose by (validation)", f"{counts.get('validation', 0):,}"],
        ["test rows", f"{counts.get('test', 0):,}"],
    ]
    return table(("what", "value"), rows, left=2)


def _cut(record: Record) -> list[list[object]]:
    """Return what sets this run's rows apart: the tasks that shared its trunk, the fold of its data."""
    spec, trunk = record.spec, trunk_of(record.spec)
    rows: list[list[object]] = [["trained together with", joined([code(n) for n in trunk if n != record.task])]]
    rows = rows if trunk else []
    if spec.resample != "holdout":
        rows.append(["cut of the data", said("{way}, number {n}", way=code(spec.resample), n=spec.fold + 1)])
    return rows


def _clean(record: Record) -> Markup | None:
    """Say what these weights score on the test rows that their training rows do not hold, where they hold some."""
    found: Any = record.contamination.get("clean") or {}
    score = (found.get("metrics") or {}).get(record.main.name)
    if score is None or found.get("n") == record.counts.get("test"):
        return None
    return said(
        "On the {n} test rows that they do not hold, these weights have {metric} {score}.",
        n=f"{found['n']:,}",
        metric=code(record.main.name),
        score=f"{score:.4g}",
    )


def _cost(record: Record) -> Markup:
    cost, about = record.cost, record.checkpoint
    trained: Any = about.get("trainable_params")
    whole: Any = about.get("params")
    memory = cost.get("peak_memory_bytes")
    device = cost.get("peak_device_memory_bytes")
    rows = [
        ["parameters trained", count(trained)],
        ["parameters in all", count(whole)],
        ["seconds", NONE if cost.get("seconds") is None else f"{cost['seconds']:,.1f}"],
        ["peak memory, GB", NONE if memory is None else f"{memory / 1e9:.2g}"],
        *([["peak memory of the device, GB", f"{device / 1e9:.2g}"]] if device else []),
    ]
    return table(("what", "value"), rows, left=1)


def _limits(weights: Weights, licence: str | None) -> list[Markup]:
    """Say in plain words what these weights are not for, and what the numbers do not say."""
    record, task = weights.record, weights.record.task_spec
    one = said(
        "It was trained and tested on {task} alone. What is unlike its rows was never scored.", task=code(task.name)
    )
    found = [one, *_of_numbers(weights)]
    if record.collapsed:
        found.append(said("This run collapsed: it does no better than guessing ({rule}).", rule=record.collapse_rule))
    if cut := record.counts.get("truncated"):
        length = record.training.get("max_length")
        found.append(
            said("{cut} of all rows were longer than the {n} tokens that it reads, and were cut.", cut=cut, n=length)
        )
    if not licence:
        found.append(
            Markup(
                "Its licence follows from those of the base checkpoint and of the data; the record knows that of the "
                "data alone."
            )
        )
    return found + ([] if on_hub(task) else [unnamed([task.name])])


def _of_numbers(weights: Weights) -> Sequence[Markup]:
    alone = weights.cell is None or weights.cell.seeds == 1
    one = "It is one run. What another seed would give is not known."
    several = "It is one run of several. The interval is of their mean: a single run may lie outside it."
    return [
        Markup(one if alone else several),
        Markup(
            "A score is an average over test rows and no promise for one input; a probability here is not calibrated."
        ),
        Markup("Nothing was measured on bias, on safety, or on inputs that somebody made to mislead it."),
    ]
