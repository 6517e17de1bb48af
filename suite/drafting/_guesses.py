"""From columns to a kind of task: which column plays which part, and which others could.

Each function below looks for one kind and returns None where it is none; the first that finds its
kind wins, so those with the most telling columns stand first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from suite.drafting import _names
from suite.drafting._choices import multiple_choice
from suite.drafting._columns import Column
from suite.drafting._finding import (
    Guess,
    best,
    class_columns,
    has_sure_class,
    is_class,
    of,
    several_classes,
    shown,
    text_columns,
    without,
)
from suite.drafting._names import is_beside, is_usual, pair, place


def guess(columns: Sequence[Column], kind: str | None) -> Guess | None:
    """Return the first kind that the columns look like, or how they could be of the kind that is asked for."""
    for name, find in KINDS.items():
        found = find(columns, kind is not None) if kind in (None, name) else None
        if found:
            named = found.columns | _group(found, columns)
            used = replace(found, columns=named).names
            rivals = {ours: [name for name in names if name not in used] for ours, names in found.rivals.items()}
            return replace(found, columns=named, rivals=rivals)
    return None


def _group(found: Guess, columns: Sequence[Column]) -> dict[str, str | tuple[str, ...]]:
    """Return the column that says which rows belong together, if one has such a name and repeats its values."""
    groups = _names.GROUPS if found.kind == "question_answering" else _names.GROUPS[:-1]
    for column in best(columns, groups):
        repeats = len(column.values) * 2 <= len(column.cells)
        if is_usual(column, groups) and repeats and column.name not in found.names and not column.missing:
            return {"group": column.name}
    return {}


def _question_answering(columns: Sequence[Column], forced: bool) -> Guess | None:
    answers, texts = of(columns, "answers"), of(columns, "text")
    if not answers or len(texts) < 2:
        return None
    texts = [column for column in texts if not is_beside(column)] or texts
    question = min(texts, key=lambda column: (place(column, _names.QUESTIONS), column.length))
    rest = without(texts, question)
    if not rest:
        return None
    context = min(rest, key=lambda column: (place(column, _names.CONTEXTS), -column.length))
    named = {"question": question.name, "context": context.name, "answers": answers[0].name}
    return Guess("question_answering", dict(named), rivals={"answers": shown(answers[1:])})


def _token_classification(columns: Sequence[Column], forced: bool) -> Guess | None:
    for words in best(of(columns, "texts"), _names.TOKENS):
        lists = without(of(columns, "texts", "classes", "wholes"), words)
        lists = [column for column in lists if column.lengths == words.lengths and not is_usual(column, _names.TOKENS)]
        likely = sorted(lists, key=lambda column: (place(column, _names.TAGS), len(column.values)))
        if likely and max(words.lengths, default=0) > 1 and len(likely[0].values) <= len(words.values):
            tags = likely[0]
            return Guess(
                "token_classification",
                {"tokens": words.name, "tags": tags.name},
                main=None if _are_entities(tags.classes or tags.values) else "accuracy",
                rivals={"tags": shown(likely[1:])},
            )
    return None


def _are_entities(tags: Sequence[str] | frozenset[str]) -> bool:
    """Return whether tags mark where entities begin and go on: O, B-TYPE, I-TYPE."""
    marked = [tag for tag in tags if tag[:2] in ("B-", "I-") and len(tag) > 2]
    return bool(marked) and all(tag == "O" or tag in marked for tag in tags)


def _image_column(columns: Sequence[Column]) -> str | None:
    found = best(of(columns, "image"), _names.IMAGES)
    return found[0].name if found else None


def _image_multi_label_classification(columns: Sequence[Column], forced: bool) -> Guess | None:
    image, several = _image_column(columns), several_classes(columns, forced)
    if not image or not several:
        return None
    kind = "image_multi_label_classification"
    return Guess(kind, {"image": image, "labels": several[0]}, rivals={"labels": several[1]})


def _image_classification(columns: Sequence[Column], forced: bool) -> Guess | None:
    image, classes = _image_column(columns), class_columns(columns)
    if not image or not classes:
        return None
    named = {"image": image, "label": classes[0].name}
    return Guess("image_classification", dict(named), rivals={"label": shown(classes[1:])})


def _multi_label_classification(columns: Sequence[Column], forced: bool) -> Guess | None:
    texts, several = text_columns(columns), several_classes(columns, forced)
    if not texts or not several:
        return None
    named, rivals = _read(texts)
    return Guess("multi_label_classification", named | {"labels": several[0]}, rivals=rivals | {"labels": several[1]})


def _text_similarity(columns: Sequence[Column], forced: bool) -> Guess | None:
    if has_sure_class(without(columns, *_scores(columns, forced))) and not forced:
        return None
    scores = best(_scores(columns, forced), _names.SCORES)
    texts = text_columns(columns)
    both = pair(texts) or (tuple(texts) if len(texts) == 2 else None)
    if not scores or not both:
        return None
    named = {"text": both[0].name, "text_pair": both[1].name, "score": scores[0].name}
    return Guess("text_similarity", dict(named), rivals={"score": shown(scores[1:])})


def _scores(columns: Sequence[Column], forced: bool) -> list[Column]:
    """Return the columns of numbers that measure something: fractions, or whole numbers of such a name."""
    wholes = [column for column in of(columns, "whole") if not is_beside(column)]
    likely = [column for column in wholes if is_usual(column, _names.SCORES[:-2]) and len(column.values) > 2]
    return [column for column in of(columns, "number") if not is_beside(column)] + (wholes if forced else likely)


def _text_classification(columns: Sequence[Column], forced: bool) -> Guess | None:
    for label in class_columns(columns):
        texts = text_columns(without(columns, label))
        texts = [column for column in texts if is_usual(column, _names.TEXTS) or not is_class(column)] or texts
        if texts:
            named, rivals = _read(texts)
            others = [column for column in class_columns(columns) if column.name not in (label.name, *named.values())]
            return Guess("text_classification", named | {"label": label.name}, rivals=rivals | {"label": shown(others)})
    return None


def _read(texts: list[Column]) -> tuple[dict[str, str | tuple[str, ...]], dict[str, list[str]]]:
    """Return which texts are read, one or a pair, and which others could be."""
    both = pair(texts)
    if both:
        return {"text": both[0].name, "text_pair": both[1].name}, {"text": shown(without(texts, *both))}
    return {"text": texts[0].name}, {"text": shown(texts[1:])}


KINDS: dict[str, Callable[[Sequence[Column], bool], Guess | None]] = {
    "question_answering": _question_answering,
    "multiple_choice": multiple_choice,
    "token_classification": _token_classification,
    "image_multi_label_classification": _image_multi_label_classification,
    "image_classification": _image_classification,
    "multi_label_classification": _multi_label_classification,
    "text_similarity": _text_similarity,
    "text_classification": _text_classification,
}
