"""What a model answers, in types: labels, a number, tags with entities, or a part of a text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from suite.data import Prepared
from suite.kinds.question_answering import QuestionAnswering
from suite.metrics import entities
from suite.outputs import Outputs
from suite.prediction._inputs import Rows
from suite.predictors import Answers, Predictor
from suite.spec import SuiteError


@dataclass(frozen=True)
class Labelled:
    """The labels that are answered, and the probability of every label, the likeliest first.

    One label, or as many as there are where each of them is a question of its own. `choice` is the text behind it,
    where the labels are places of choices.
    """

    labels: tuple[str, ...]
    probabilities: dict[str, float]
    choice: str | None = None


@dataclass(frozen=True)
class Number:
    """A number, in the units of the data."""

    value: float


@dataclass(frozen=True)
class Word:
    """A word with its tag, and where in the text it stands."""

    text: str
    start: int
    end: int
    tag: str
    probability: float


@dataclass(frozen=True)
class Entity:
    """Words that belong together; `probability` is the least of theirs."""

    label: str
    text: str
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class Tagged:
    """A text with the tag of every word, and the entities that BIO tags make."""

    text: str
    words: tuple[Word, ...]
    entities: tuple[Entity, ...]


@dataclass(frozen=True)
class Span:
    """A part of the context, and where in it; both ends are None where there is no answer.

    `score` is the sum of its logits, and `no_answer` that of none, if the model may say so.
    """

    text: str
    start: int | None
    end: int | None
    score: float
    no_answer: float | None


Answer = Labelled | Number | Tagged | Span


def as_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON has it."""
    return {name: value for name, value in asdict(answer).items() if name != "choice" or value is not None}


def answers(predictor: Predictor, rows: Rows, prepared: Prepared) -> list[Answer]:
    """Return what a model says of rows.

    Raises:
        SuiteError: it gives no finite numbers.
    """
    outputs = predictor.outputs(prepared)
    predictions, scores = predictor.kind.decode(outputs, prepared)
    told = Answers(predictor.kind.shown(predictions, predictor.about.classes), [np.asarray(row) for row in scores])
    for place, row in enumerate(told.scores, 1):
        if not np.isfinite(row).all():
            raise SuiteError(f"The kept weights give no finite numbers for input {place}: the run must have diverged.")
    by_target = {"class": _one_label, "labels": _labels, "number": _numbers, "tags": _tags}
    if predictor.kind.target == "text":
        return list(_spans(predictor, outputs, prepared, told))
    return list(by_target[predictor.kind.target](predictor, rows, told))


def _one_label(predictor: Predictor, rows: Rows, told: Answers) -> Iterator[Answer]:
    classes, choices = predictor.about.classes, rows.columns.get("choices")
    for place, (label, row) in enumerate(zip(told.predictions, told.scores, strict=True)):
        choice = choices[place][classes.index(label)] if choices else None
        yield Labelled((label,), _ranked(classes, row), choice)


def _labels(predictor: Predictor, rows: Rows, told: Answers) -> Iterator[Answer]:
    for labels, row in zip(told.predictions, told.scores, strict=True):
        yield Labelled(tuple(json.loads(labels)), _ranked(predictor.about.classes, row))


def _ranked(classes: Sequence[str], row: np.ndarray) -> dict[str, float]:
    """Return classes with their probabilities, the likeliest first, of equal ones in the classes' order."""
    order = np.argsort(-row, kind="stable")
    return {classes[place]: float(row[place]) for place in order}


def _numbers(predictor: Predictor, rows: Rows, told: Answers) -> Iterator[Answer]:
    for number in told.predictions:
        yield Number(float(number))


def _tags(predictor: Predictor, rows: Rows, told: Answers) -> Iterator[Answer]:
    marked = any(tag.startswith(("B-", "I-")) for tag in predictor.about.classes)
    for text, spans, shown, row in zip(rows.texts, rows.spans, told.predictions, told.scores, strict=True):
        tags: list[str] = json.loads(shown)
        sure = row.reshape(len(tags), -1).max(axis=1)
        placed = zip(spans, tags, sure, strict=True)
        words = tuple(Word(text[start:end], start, end, tag, float(p)) for (start, end), tag, p in placed)
        found = sorted(entities(tags), key=lambda span: span[1]) if marked else []
        yield Tagged(text, words, tuple(_entity(text, words, *span) for span in found))


def _entity(text: str, words: Sequence[Word], label: str, first: int, last: int) -> Entity:
    start, end = words[first].start, words[last].end
    return Entity(label, text[start:end], start, end, min(word.probability for word in words[first : last + 1]))


def _spans(predictor: Predictor, outputs: Outputs, prepared: Prepared, told: Answers) -> Iterator[Answer]:
    kind = predictor.kind
    if not isinstance(kind, QuestionAnswering):  # a plug-in's, which says texts and not where they stand
        raise SuiteError(f"{predictor.about.kind} does not say where its answers stand; it cannot be asked here.")
    places = kind.places(outputs, prepared)
    may_abstain = prepared.context.can_abstain
    for place, (shown, (score, nothing)) in enumerate(zip(told.predictions, told.scores, strict=True)):
        text: str = json.loads(shown)
        start, end = (places[place].start, places[place].stop) if text else (None, None)
        yield Span(text, start, end, float(score), float(nothing) if may_abstain else None)
