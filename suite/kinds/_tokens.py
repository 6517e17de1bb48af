"""What kinds that answer for every token ask of a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from suite.spec import SuiteError


def need_fast(processor: Any, kind: str) -> None:
    """Refuse a tokenizer that cannot say which part of the text a token is.

    Raises:
        SuiteError: it is one written in Python.
    """
    if not processor.is_fast:
        raise SuiteError(
            f"{kind} needs to know which part of a text a token is, and {type(processor).__name__} does not tell; "
            "use a checkpoint with a tokenizer.json."
        )


def spaced(rows: Sequence[Sequence[str]], processor: Any) -> list[list[str]]:
    """Return the words of each row as the tokenizer would meet them in a text.

    To byte-level tokenizers (RoBERTa, ModernBERT) the space belongs to the word behind it. Given words, they leave
    it out, and "town" becomes the piece that ends "downtown"; so they are given it.
    """

    def pieces(text: str | list[str]) -> list[int]:
        encoded = processor(text, is_split_into_words=not isinstance(text, str), add_special_tokens=False)
        ids: list[int] = encoded["input_ids"]
        return ids

    if pieces(["a", "a"]) == pieces("a a") or pieces(["a", " a"]) != pieces("a a"):
        return [list(words) for words in rows]
    return [[*words[:1], *(f" {word}" for word in words[1:])] for words in rows]


def first_pieces(word_ids: Sequence[int | None]) -> dict[int, int]:
    """Return for each word that has a token the place of its first, from the word of every token."""
    first: dict[int, int] = {}
    for token, word in enumerate(word_ids):
        if word is not None:
            first.setdefault(word, token)
    return first


def padded(items: Sequence[dict[str, Any]], processor: Any) -> dict[str, Any]:
    """Return a batch of the items' inputs, padded to the longest on the side where the tokenizer pads; no labels."""
    inputs = [{name: value for name, value in item.items() if name != "labels"} for item in items]
    return dict(processor.pad(inputs, padding="longest", return_tensors="pt", verbose=False))
