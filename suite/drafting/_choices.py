"""Multiple choice, the kind with the most shapes: lists, fields of structs or numbered columns; places or letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from suite.drafting import _names
from suite.drafting._columns import Column
from suite.drafting._finding import Guess, best, of, shown, text_columns, without
from suite.drafting._names import is_like

LETTERS = "ABCDEFGHIJ"


def multiple_choice(columns: Sequence[Column], forced: bool) -> Guess | None:
    for choices, value, count in _choice_columns(columns, forced):
        others = without(columns, *choices)
        right = [(column, labels) for column in _answer_columns(others, count) for labels in _places(column, count)]
        texts = text_columns(without(others, *(column for column, _ in right[:1])))
        if right and texts:
            label, labels = right[0]
            named = _stem(texts) | {"choices": value, "label": label.name}
            return Guess("multiple_choice", named, labels, rivals={"label": shown([other for other, _ in right[1:]])})
    return None


def _choice_columns(
    columns: Sequence[Column], forced: bool
) -> Iterator[tuple[list[Column], str | tuple[str, ...], int]]:
    """Yield what could be the choices: the columns, how a task file names them, and how many choices there are."""
    for column in best(of(columns, "texts"), _names.CHOICES):
        if _are_choices(column, forced):
            yield [column], column.name, max(column.lengths)
    row = _names.series(of(columns, "text"))
    if row:
        yield row, tuple(shown(row)), len(row)


def _are_choices(column: Column, forced: bool) -> bool:
    lengths = set(column.lengths)
    likely = forced or is_like(column, _names.CHOICES) or len(lengths) == 1
    return likely and min(lengths) > 1 and max(lengths) <= len(LETTERS)


def _answer_columns(columns: Sequence[Column], count: int) -> list[Column]:
    scalars = [column for column in of(columns, "class", "whole", "text") if is_like(column, _names.RIGHT)]
    return [column for column in best(scalars, _names.RIGHT) if len(column.values) <= count]


def _places(column: Column, count: int) -> list[tuple[str, ...] | None]:
    """Return the one way to read a column as places among so many choices, or nothing.

    It is the labels to declare, None where places count from 0 or the data set names its classes.
    """
    if column.form == "class":
        return [None] if len(column.classes or ()) == count else []
    names = column.values
    from_one = tuple(str(place + 1) for place in range(count))
    if names <= {str(place) for place in range(count)} and not names <= set(from_one):
        return [None]
    for labels in (from_one, tuple(LETTERS[:count]), tuple(LETTERS[:count].lower())):
        if names <= set(labels):
            return [labels]
    return []


def _stem(texts: list[Column]) -> dict[str, str | tuple[str, ...]]:
    """Return what is read before the choices: a question, the passage before it, the beginning that a choice ends."""
    named = {column.plain: column.name for column in texts}
    if "sent1" in named and "sent2" in named:
        return {"text": named["sent1"], "prefix": named["sent2"]}
    question = next((named[name] for name in ("question", "query") if name in named), None)
    contexts = ("article", "passage", "context", "story", "premise", "paragraph")
    context = next((named[name] for name in contexts if name in named), None)
    if question and context:
        return {"text": (context, question)}
    return {"text": best(texts, _names.STEMS)[0].name}
