"""From columns to a kind of task: which column plays which part.

Each function of `KINDS` looks for one kind and returns None where it is none; the first that finds
its kind wins, so those with the most telling columns stand first. `forced` says that the kind was
asked for, so that less will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from suite.drafting import _names
from suite.drafting._columns import Column
from suite.drafting._names import best, is_beside, is_like, pair, place

FEW = 30
LETTERS = "ABCDEFGHIJ"
LISTS = ("lists of texts", "lists of classes", "lists of whole numbers")

Theirs = str | tuple[str, ...]
Columns = Sequence[Column]
Named = dict[str, Theirs]


@dataclass(frozen=True)
class Guess:
    """A kind, its columns, and the classes and the main metric where the kind's own would not do."""

    columns: Named
    labels: tuple[str, ...] = ()
    main: str | None = None
    kind: str = ""

    @property
    def names(self) -> set[str]:
        """The data set's names of all columns that are used."""
        return {name for value in self.columns.values() for name in ([value] if isinstance(value, str) else value)}


def guess(columns: Columns, kind: str | None) -> Guess | None:
    """Return the first kind that the columns look like, or how they could be of the kind that is asked for."""
    for name, find in KINDS.items():
        found = find(columns, kind is not None) if kind in (None, name) else None
        if found:
            return replace(found, kind=name, columns=found.columns | _group(found, columns))
    return None


def _group(found: Guess, columns: Columns) -> Named:
    """Return the column that says which rows belong together: one of such a name, or contexts that questions share."""
    groups = _names.GROUPS if "context" in found.columns else _names.GROUPS[:-1]
    for column in best(columns, groups):
        repeats = len(column.values) * 2 <= len(column.cells)
        if column.plain in groups and repeats and column.name not in found.names and not column.missing:
            return {"group": column.name}
    shared = [c for c in columns if c.name == found.columns.get("context") and len(c.values) < len(c.cells)]
    return {"group": shared[0].name} if shared else {}


def _of(columns: Columns, *forms: str) -> list[Column]:
    return [column for column in columns if column.form in forms]


def _without(columns: Columns, *taken: Column) -> list[Column]:
    return [column for column in columns if column not in taken]


def _texts(columns: Columns) -> list[Column]:
    """Return the columns to read, the likeliest first: by name, then the longest."""
    found = [column for column in _of(columns, "texts") if not is_beside(column)]
    return sorted(found, key=lambda column: (place(column, _names.TEXTS), -column.length))


def _classes(columns: Columns) -> list[Column]:
    """Return the columns that could be a row's one class, the likeliest first."""
    found = _of(columns, "classes", "texts", "whole numbers", "true or false", "numbers")
    found = [column for column in found if _is_class(column)]
    return sorted(
        found, key=lambda column: (place(column, _names.LABELS), column.form != "classes", len(column.values))
    )


def _is_class(column: Column) -> bool:
    if column.form == "classes":
        return True
    if column.form == "numbers" and not all(float(cell).is_integer() for cell in column.cells):
        return False
    if column.form == "texts" and (
        column.plain in _names.TEXTS or sum(len(cell.split()) for cell in column.cells) > 8 * len(column.cells)
    ):
        return False
    repeats = len(column.cells) / max(1, len(column.values))
    if column.plain in _names.LABELS:
        return repeats >= 1.5
    return not is_beside(column) and len(column.values) > 1 and repeats >= (2 if len(column.values) <= FEW else 10)


def _has_sure_class(columns: Columns) -> bool:
    return any(column.plain in _names.SURE for column in _classes(columns))


def _several_classes(columns: Columns, forced: bool) -> Theirs | None:
    """Return the column of lists, or the columns of 0 and 1, that say which classes a row has."""
    if _has_sure_class(columns) and not forced:
        return None
    lists = [column for column in _of(columns, *LISTS) if column.plain not in _names.TOKENS]
    for column in best(lists, _names.SEVERAL_LABELS)[:1]:
        if forced or is_like(column, _names.SEVERAL_LABELS) or not _classes(columns):
            return column.name
    flags = [column for column in _of(columns, "whole numbers", "true or false") if not is_beside(column)]
    named = tuple(column.name for column in flags if column.form == "true or false" or column.values <= {"0", "1"})
    return named if len(named) > 1 else None


def _read(texts: list[Column]) -> Named:
    """Return which texts are read, one or a pair."""
    return dict(zip(("text", "text_pair"), (column.name for column in pair(texts) or texts[:1]), strict=False))


def _question_answering(columns: Columns, forced: bool) -> Guess | None:
    answers, texts = _of(columns, "answers with their places"), _of(columns, "texts")
    texts = [column for column in texts if not is_beside(column)] or texts
    if not answers or len(texts) < 2:
        return None
    question = min(texts, key=lambda column: (place(column, _names.QUESTIONS), column.length))
    context = min(_without(texts, question), key=lambda column: (place(column, _names.CONTEXTS), -column.length))
    return Guess({"question": question.name, "context": context.name, "answers": answers[0].name})


def _multiple_choice(columns: Columns, forced: bool) -> Guess | None:
    for choices, named, count in _choices(columns, forced):
        others = _without(columns, *choices)
        for label in best(_of(others, "classes", "whole numbers", "texts"), _names.RIGHT):
            texts, places = _texts(_without(others, label)), _places(label, count)
            if is_like(label, _names.RIGHT) and texts and places:
                labels = () if "0" in places or label.classes else places
                return Guess(_stem(texts) | {"choices": named, "label": label.name}, labels)
    return None


def _choices(columns: Columns, forced: bool) -> Iterator[tuple[list[Column], Theirs, int]]:
    """Yield what could be the choices: the columns, how a task file names them, and how many choices there are."""
    for column in best(_of(columns, "lists of texts"), _names.CHOICES):
        fewest, most = min(column.lengths), max(column.lengths)
        if fewest > 1 and most <= len(LETTERS) and (forced or is_like(column, _names.CHOICES) or fewest == most):
            yield [column], column.name, most
    row = _names.series(_of(columns, "texts"))
    if row:
        yield row, tuple(column.name for column in row), len(row)


def _places(column: Column, count: int) -> tuple[str, ...]:
    """Return what a column calls the places of so many choices, nothing if its values are no places."""
    if column.classes:
        return column.classes if len(column.classes) == count else ()
    digits, letters = [str(place) for place in range(count + 1)], LETTERS[:count]
    runs = (digits[1:], digits[:-1], letters, letters.lower())
    return next((tuple(names) for names in runs if column.values <= set(names)), ())


def _stem(texts: list[Column]) -> Named:
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


def _token_classification(columns: Columns, forced: bool) -> Guess | None:
    for words in best(_of(columns, "lists of texts"), _names.TOKENS):
        lists = [column for column in _of(columns, *LISTS) if column.plain not in _names.TOKENS]
        beside = [column for column in _without(lists, words) if column.lengths == words.lengths]
        likely = sorted(beside, key=lambda column: (place(column, _names.TAGS), len(column.values)))
        if likely and max(words.lengths) > 1 and len(likely[0].values) <= len(words.values):
            tags = likely[0].classes or likely[0].values
            marked = [tag for tag in tags if tag[:2] in ("B-", "I-") and len(tag) > 2]
            are_entities = marked and all(tag == "O" or tag in marked for tag in tags)
            return Guess({"tokens": words.name, "tags": likely[0].name}, main=None if are_entities else "accuracy")
    return None


def _image_multi_label_classification(columns: Columns, forced: bool) -> Guess | None:
    images, labels = best(_of(columns, "images"), _names.IMAGES), _several_classes(columns, forced)
    return Guess({"image": images[0].name, "labels": labels}) if images and labels else None


def _image_classification(columns: Columns, forced: bool) -> Guess | None:
    images, classes = best(_of(columns, "images"), _names.IMAGES), _classes(columns)
    return Guess({"image": images[0].name, "label": classes[0].name}) if images and classes else None


def _multi_label_classification(columns: Columns, forced: bool) -> Guess | None:
    texts, labels = _texts(columns), _several_classes(columns, forced)
    return Guess(_read(texts) | {"labels": labels}) if texts and labels else None


def _text_similarity(columns: Columns, forced: bool) -> Guess | None:
    scores, texts = best(_scores(columns, forced), _names.SCORES), _texts(columns)
    both = pair(texts) or (texts if len(texts) == 2 else [])
    if not scores or not both or (_has_sure_class(_without(columns, *scores)) and not forced):
        return None
    return Guess({"text": both[0].name, "text_pair": both[1].name, "score": scores[0].name})


def _scores(columns: Columns, forced: bool) -> list[Column]:
    """Return the columns of numbers that measure something: fractions, or whole numbers of such a name."""
    wholes = [column for column in _of(columns, "whole numbers") if not is_beside(column)]
    likely = [column for column in wholes if column.plain in _names.SCORES[:-2] and len(column.values) > 2]
    return [column for column in _of(columns, "numbers") if not is_beside(column)] + (wholes if forced else likely)


def _text_classification(columns: Columns, forced: bool) -> Guess | None:
    for label in _classes(columns):
        texts = _texts(_without(columns, label))
        texts = [column for column in texts if column.plain in _names.TEXTS or not _is_class(column)] or texts
        if texts:
            return Guess(_read(texts) | {"label": label.name})
    return None


KINDS: dict[str, Callable[[Columns, bool], Guess | None]] = {
    "question_answering": _question_answering,
    "multiple_choice": _multiple_choice,
    "token_classification": _token_classification,
    "image_multi_label_classification": _image_multi_label_classification,
    "image_classification": _image_classification,
    "multi_label_classification": _multi_label_classification,
    "text_similarity": _text_similarity,
    "text_classification": _text_classification,
}
