"""The names that columns usually have, and which column fits which of them best."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from suite.drafting._columns import Column

TEXTS = (
    "text", "sentence", "content", "review", "tweet", "utterance", "comment", "message", "query", "question",
    "document", "body", "post", "article", "abstract", "passage", "paragraph", "claim", "headline", "title",
    "description", "input", "prompt", "premise", "context",
)  # fmt: skip
LABELS = (
    "label", "labels", "target", "class", "category", "intent", "sentiment", "emotion", "topic", "gold_label", "gold",
    "answer", "y", "label_text", "label_name", "fine_label", "coarse_label", "stars", "rating", "polarity", "stance",
    "relation", "type", "genre", "score", "language", "lang",
)  # fmt: skip
SURE = LABELS[: LABELS.index("relation")]
"""A column of such a name and of few values is the label, whatever else there is."""

SEVERAL_LABELS = (
    "labels", "label_names", "label", "label_name", "genres", "topics", "tags", "categories", "emotions", "classes",
)  # fmt: skip
IMAGES = ("image", "img", "picture", "photo", "png", "jpg", "webp", "file")
SCORES = ("score", "similarity", "similarity_score", "relatedness", "relatedness_score", "sim", "label", "rating")
QUESTIONS = ("question", "query", "question_text", "q")
CONTEXTS = ("context", "passage", "article", "paragraph", "document", "story", "text")
TOKENS = ("tokens", "words", "token", "text", "sentence")
TAGS = ("ner_tags", "tags", "ner", "labels", "entities", "label", "pos_tags", "upos", "pos", "chunk_tags")
CHOICES = (
    "choices_text", "choices", "choice", "options", "option", "endings", "ending", "candidates", "answers",
    "alternatives", "sol", "solution", "op", "answer", "alternative", "candidate", "distractor",
)  # fmt: skip
RIGHT = (
    "label", "answer", "answer_key", "answer_index", "answer_idx", "correct", "correct_option", "gold", "cop", "target",
    "labels", "gold_label", "right",
)  # fmt: skip
STEMS = (
    "question", "question_stem", "sent1", "ctx", "context", "goal", "premise", "sentence", "stem", "prompt", "query",
    "startphrase", "article", "passage", "text",
)  # fmt: skip
GROUPS = (
    "group", "group_id", "user", "user_id", "author", "author_id", "speaker", "speaker_id", "patient", "patient_id",
    "document_id", "doc_id", "passage_id", "session_id", "subject_id", "dialogue_id", "conversation_id", "video_id",
    "source_id", "title",
)  # fmt: skip
"""The last is that of the article that questions are about, and elsewhere a text."""

PAIRS = (
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("query", "passage"),
    ("query", "document"),
    ("paragraph", "question"),
    ("claim", "evidence"),
    ("text", "text_pair"),
)
_SIDES = (("1", "2"), ("0", "1"), ("a", "b"), ("left", "right"), ("first", "second"), ("one", "two"))
_BESIDE = (
    "id", "idx", "index", "uid", "guid", "uuid", "split", "fold", "url", "date", "time", "timestamp", "year", "length",
    "lang", "language", "file", "filename", "path", "unnamed",
)  # fmt: skip


def is_beside(column: Column) -> bool:
    """Return whether a column's name says that it is about the row and nothing to learn: an id, a date, a path."""
    return any(word in _BESIDE for word in column.plain.split("_"))


def place(column: Column, names: Sequence[str]) -> int:
    """Return how well a name fits, smaller being better; `len(names)` and more is no exact fit."""
    if column.plain in names:
        return names.index(column.plain)
    words = column.plain.split("_")
    return len(names) + min((i for i, name in enumerate(names) if name in words), default=len(names))


def is_like(column: Column, names: Sequence[str]) -> bool:
    """Return whether a column has one of the names, among other words perhaps."""
    return place(column, names) < 2 * len(names)


def best(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """Return the columns, those with the likeliest names first."""
    return sorted(columns, key=lambda column: place(column, names))


def pair(columns: Sequence[Column]) -> list[Column]:
    """Return the two columns whose names say that they belong together: premise and hypothesis, text1 and text2."""
    by_name = {column.plain: column for column in columns}
    sides = ((name, other) for name in by_name for other in _other_sides(name))
    found = next((both for both in (*PAIRS, *sides) if by_name.keys() >= set(both)), ())
    return [by_name[name] for name in found]


def _other_sides(name: str) -> Iterator[str]:
    """Yield what the partner of a name could be called."""
    for here, there in _SIDES:
        if name.endswith(here):
            yield name.removesuffix(here) + there
        if name.startswith(f"{here}_"):
            yield there + name.removeprefix(here)


def series(columns: Sequence[Column]) -> list[Column]:
    """Return the columns that are numbered or lettered choices: ending0 to ending3, A to D; the longest such row."""
    rows: dict[str, list[tuple[str, Column]]] = {}
    for column in columns:
        match = re.fullmatch(r"(?P<stem>|.*?[a-z_])_?(?P<place>\d|[a-h])", column.plain)
        if match:
            rows.setdefault(match["stem"].strip("_"), []).append((match["place"], column))
    known = [row for stem, row in rows.items() if stem in ("", *CHOICES) and len(row) > 1 and _is_run(row)]
    return [column for _, column in max(known, key=len, default=[])]


def _is_run(row: list[tuple[str, Column]]) -> bool:
    """Return whether the places follow each other from 0, 1 or a, in the columns' order."""
    places = "".join(where for where, _ in row)
    return any(run.startswith(places) for run in ("012345678", "123456789", "abcdefgh"))
