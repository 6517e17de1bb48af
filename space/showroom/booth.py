"""Kept weights to try: which there are, what each reads, and what it answers. Torch is loaded by the first question."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fsspec

from showroom import pages, specimens
from showroom.shelf import Shelf
from suite import kinds, strategies
from suite.evidence.words import clean
from suite.index import Entry
from suite.spec import SuiteError

if TYPE_CHECKING:
    from suite.prediction import Answer, KeptModel

HELD = 2
"""Models in memory at once."""

LONGEST = 20_000
"""Characters of a text that is asked about here."""

MOST_BYTES = 10 * 2**20
"""Of a picture's file."""

_TARGETS = ("label", "labels", "score", "tags", "answers")
_TOP, _MARKS = 10, 8
NAMES = {
    "text": "Text",
    "text_pair": "Second text",
    "tokens": "Text",
    "question": "Question",
    "context": "Text that holds the answer",
    "choices": "Choices, one a line",
}


@dataclass(frozen=True)
class Exhibit:
    """One record with kept weights: its key, what a visitor reads of it, its kind and the fields that it reads."""

    key: str
    label: str
    kind: str
    fields: tuple[str, ...]
    entry: Entry


class Booth:
    """The kept weights of a store; the last few that were asked stay in memory."""

    def __init__(self, shelf: Shelf) -> None:
        """Look at nothing yet."""
        self._shelf = shelf
        self._open: OrderedDict[str, KeptModel] = OrderedDict()
        self._lock = threading.Lock()

    def exhibits(self) -> list[Exhibit]:
        """Return what can be tried, the best of a task first."""
        found: list[Exhibit] = self._shelf.now.once("exhibits", self._found)
        return found

    def _found(self) -> list[Exhibit]:
        snapshot = self._shelf.now
        kept = _with_weights(self._shelf.url)
        every = [*snapshot.entries, *snapshot.contents.again]
        first: dict[tuple[str, str], Entry] = {}
        for entry in sorted(every, key=lambda one: (one.head.seed, one.head.fold, one.head.name)):
            if entry.head.name in kept and _opens(entry):
                first.setdefault((entry.head.row, entry.head.task), entry)
        ordered = sorted(first.values(), key=lambda one: (one.head.task, -one.head.score))
        return [_exhibit(entry) for entry in ordered]

    def of(self, key: str) -> Exhibit:
        """Return what can be tried under a key.

        Raises:
            SuiteError: there is none.
        """
        found = next((one for one in self.exhibits() if one.key == key), None)
        if found is None:
            raise SuiteError("Choose one of the kept models first.")
        return found

    def ask(self, key: str, given: Mapping[str, Any]) -> str:
        """Return what a model answers, as HTML.

        Raises:
            SuiteError: the input cannot be read, or the weights cannot be loaded.
        """
        exhibit = self.of(key)
        row = {name: _cell(name, given.get(name)) for name in exhibit.fields}
        with self._lock:  # one at a time: a model takes all the cores there are
            began = time.perf_counter()
            model, fresh = self._model(key)
            loaded = time.perf_counter() - began
            found = model.predict([row])
        answer = found.answers[0]
        return pages.render(
            "answered",
            exhibit=exhibit,
            answer=answer,
            sort=type(answer).__name__,
            shown=_shown(answer, row),
            seconds=_seconds(found.seconds),
            loaded=_seconds(loaded) if fresh else "",
            cut=found.cut,
        )

    def _model(self, key: str) -> tuple[KeptModel, bool]:
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key], False
        try:
            from suite import prediction

            while len(self._open) >= HELD:
                self._open.popitem(last=False)
            self._open[key] = prediction.open_kept(self._shelf.store, key, device="auto")
        except ImportError as error:
            raise SuiteError(f"The demo needs {error.name}, which is not installed here.") from None
        return self._open[key], True

    def example(self, key: str) -> dict[str, Any]:
        """Return the fields of one of the task's test rows, drawn at random.

        Raises:
            SuiteError: the rows are not on this machine.
        """
        exhibit = self.of(key)
        name = random.choice(exhibit.entry.table["id"])
        row = specimens.rows(exhibit.entry, (name,)).get(name, {})
        return {field: _said(row.get(field)) for field in exhibit.fields}


def _exhibit(entry: Entry) -> Exhibit:
    checkpoint = json.loads(entry.head.about)["checkpoint"]
    twin = "" if checkpoint["init"] == "pretrained" else f" ({checkpoint['init']} init)"
    kind = kinds.get(entry.task_spec.kind)
    fields = [name for name in kind.needs if name not in _TARGETS]
    if "text_pair" in entry.task_spec.columns and "text_pair" not in fields:
        fields.append("text_pair")
    label = f"{entry.head.task} · {clean(checkpoint['name'])}{twin} · {entry.head.strategy}"
    return Exhibit(entry.head.key, label, entry.task_spec.kind, tuple(fields), entry)


def _opens(entry: Entry) -> bool:
    """Return whether kept weights can be had here: an adapter of a folder on another machine cannot."""
    if entry.task_spec.kind not in kinds.names() or entry.head.strategy not in strategies.names():
        return False
    checkpoint = json.loads(entry.head.about)["checkpoint"]
    of_folder = checkpoint["revision"].startswith("sha256:") and not checkpoint["name"].startswith("bundled/")
    return not of_folder or strategies.get(entry.head.strategy).keeps == "model"


def _with_weights(url: str) -> set[str]:
    """Return the names of the records of a store that have kept weights."""
    fs, root = fsspec.core.url_to_fs(url)
    try:
        found = fs.glob(f"{str(root).rstrip('/')}/records/??/*-*/weights/transfer_suite.json")
    except (OSError, ValueError):
        return set()
    return {str(path).split("/")[-3] for path in found}


def _cell(name: str, value: Any) -> Any:
    """Return a field as a model takes it.

    Raises:
        SuiteError: it is empty or too long.
    """
    told = NAMES.get(name, name)
    if name == "image":
        if value is None:
            raise SuiteError("Choose a picture first.")
        return value
    text = str(value or "")
    if len(text) > LONGEST:
        raise SuiteError(f"{told}: {len(text):,} characters; at most {LONGEST:,} are read here.")
    if not text.strip():
        raise SuiteError(f"{told}: there is nothing to read; write something.")
    return [line.strip() for line in text.splitlines() if line.strip()] if name == "choices" else text


def _said(value: Any) -> Any:
    """Return a field of a row as the page's parts take it."""
    if isinstance(value, list | tuple):
        words = [str(part) for part in value]
        return " ".join(words) if not any(" " in word for word in words) else "\n".join(words)
    return value


def _seconds(value: float) -> str:
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"


def _shown(answer: Answer, row: Mapping[str, Any]) -> Any:
    """Return what the template needs beside the answer: pieces of a text that are marked, or the likeliest labels."""
    from suite.prediction import Labelled, Span, Tagged

    if isinstance(answer, Labelled):
        return [(label, p, label in answer.labels) for label, p in list(answer.probabilities.items())[:_TOP]]
    if isinstance(answer, Tagged):
        if answer.entities:
            spans = [(one.start, one.end, one.label, one.probability) for one in answer.entities]
        else:
            spans = [(one.start, one.end, one.tag, one.probability) for one in answer.words if one.tag != "O"]
        labels = sorted({label for _, _, label, _ in spans})
        coloured = [(start, end, label, labels.index(label) % _MARKS, p) for start, end, label, p in spans]
        return _pieces(answer.text, coloured)
    if isinstance(answer, Span) and answer.start is not None and answer.end is not None:
        return _pieces(row["context"], [(answer.start, answer.end, "answer", 0, None)])
    return None


def _pieces(
    text: str, spans: list[tuple[int, int, str, int, float | None]]
) -> list[tuple[str, str, int, float | None]]:
    """Return a text cut into (text, label or '', colour, probability), in order."""
    pieces: list[tuple[str, str, int, float | None]] = []
    at = 0
    for start, end, label, colour, p in sorted(spans, key=lambda span: span[:2]):
        if start < at:  # one inside another: the first stands
            continue
        pieces += [(text[at:start], "", 0, None)] if start > at else []
        pieces.append((text[start:end], label, colour, p))
        at = end
    return pieces + ([(text[at:], "", 0, None)] if at < len(text) else [])
