"""Texts as a checkpoint's tokenizer takes them: what the kinds that read whole texts share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from suite import prepared
from suite.data import Prepared
from suite.spec import SuiteError, TaskSpec, canonical_json

if TYPE_CHECKING:
    import numpy as np
    from pydantic import JsonValue

    from suite.data import Split, TaskData


def check(task: TaskSpec, data: TaskData, columns: Sequence[str]) -> None:
    """Refuse empty and missing texts in those of the columns that the task has.

    Raises:
        SuiteError: a cell is no text; the message names split and row.
    """
    for split in data.splits:
        for column in columns:
            for row, cell in enumerate(split.columns.get(column, [])):
                if not _is_text(cell):
                    raise SuiteError(
                        f"{task.where('columns', column)}: row {row} of the {split.name} split has {cell!r} for "
                        f"'{column}'; expected a text with at least one letter. Remove or fill such rows."
                    )


def _is_text(cell: Any) -> bool:
    parts = [part for part in cell if part is not None] if isinstance(cell, list) else [cell]
    return all(isinstance(part, str) for part in parts) and bool(joined(parts).strip())


def joined(cell: Any) -> str:
    """Return a cell's text; the texts of several columns are joined with a space, empty ones left out."""
    return " ".join(part for part in cell if part) if isinstance(cell, list) else str(cell)


def encode(
    processor: Any, texts: list[str], pairs: list[str] | None, max_length: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """Return one dict of model inputs a text, and the numbers of those that had to be cut.

    What is longer than `max_length` tokens is cut there, of a pair the longer text first. What was made of many texts
    is kept.
    """
    how = _how(processor) if len(texts) >= prepared.LEAST_TEXTS else None
    if how is None:
        return _encode(processor, texts, pairs, max_length)
    about: dict[str, JsonValue] = {"how": how, "max_length": max_length, "pairs": pairs is not None}
    at = prepared.address("tokens", about, (text.encode("utf-8", "surrogatepass") for text in (*texts, *(pairs or ()))))
    return prepared.tokens(at, lambda: _encode(processor, texts, pairs, max_length))


def _how(processor: Any) -> str | None:
    """Return all that a fast tokenizer's numbers depend on, as text; None of one written in Python."""
    backend = getattr(processor, "backend_tokenizer", None)
    if backend is None:
        return None
    said = json.loads(backend.to_str())
    for asked in ("truncation", "padding"):  # what it was last asked for
        said.pop(asked, None)
    sides = [processor.truncation_side, processor.padding_side]
    return canonical_json([type(processor).__name__, said, list(processor.model_input_names), sides])


def _encode(
    processor: Any, texts: list[str], pairs: list[str] | None, max_length: int
) -> tuple[list[dict[str, Any]], list[int]]:
    encoded = processor(texts, pairs, truncation=False, verbose=False)
    cut = [i for i, ids in enumerate(encoded["input_ids"]) if len(ids) > max_length]
    if cut:
        encoded = processor(texts, pairs, truncation="longest_first", max_length=max_length)
    names = list(encoded.keys())
    return [{name: encoded[name][i] for name in names} for i in range(len(texts))], cut


def prepare(split: Split, labels: np.ndarray, learned: list[Any], processor: Any, max_length: int) -> Prepared:
    """Tokenise the columns `text` and `text_pair`; `learned` is what the loss is told of each row."""
    texts = [joined(cell) for cell in split.columns["text"]]
    pairs = [joined(cell) for cell in split.columns["text_pair"]] if "text_pair" in split.columns else None
    inputs, cut = encode(processor, texts, pairs, max_length)
    items = [item | {"labels": target} for item, target in zip(inputs, learned, strict=True)]
    return Prepared(items, labels, [len(item["input_ids"]) for item in items], split.ids, truncated=len(cut))


def collate(processor: Any) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Return a function that pads a batch to its own longest row."""

    def pad(items: list[dict[str, Any]]) -> dict[str, Any]:
        return dict(processor.pad(items, padding="longest", return_tensors="pt", verbose=False))

    return pad
