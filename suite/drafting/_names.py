"""The names that columns usually have, and which column fits which of them best."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    ("premise", "hypothesis"), ("question", "sentence"), ("question", "passage"), ("question", "context"),
    ("query", "passage"), ("query", "document"), ("paragraph", "question"), ("claim", "evidence"),
    ("text", "text_pair"),
)  # fmt: skip
_BOTH = (("1", "2"), ("0", "1"), ("a", "b"), ("left", "right"), ("first", "second"), ("one", "two"))
_SIDES = [(form.format(here), there) for here, there in _BOTH for form in ("{}$", "^{}(?=_)")]
"""The end or the first word of a name, and what stands there in its partner's."""

_RUNS = ("012345678", "123456789", "abcdefgh")
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
    sides = [(name, re.sub(here, there, name)) for name in by_name for here, there in _SIDES]
    found = next((both for both in (*PAIRS, *sides) if len(by_name.keys() & set(both)) == 2), ())
    return [by_name[name] for name in found]


def series(columns: Sequence[Column]) -> list[Column]:
    """Return the columns that are numbered or lettered choices: ending0 to ending3, A to D; the longest such row."""
    rows: dict[str, dict[str, Column]] = {}
    for column in columns:
        match = re.fullmatch(r"(?P<stem>|.*?[a-z_])_?(?P<place>\d|[a-h])", column.plain)
        if match and match["stem"].strip("_") in ("", *CHOICES):
            rows.setdefault(match["stem"].strip("_"), {})[match["place"]] = column
    known = [row for row in rows.values() if len(row) > 1 and any(run.startswith("".join(row)) for run in _RUNS)]
    return list(max(known, key=len, default={}).values())
