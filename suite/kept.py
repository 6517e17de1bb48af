"""Which record's kept weights a word means: a key, or how one begins."""

from __future__ import annotations

import re

from suite import strategies
from suite.spec import Record, SuiteError
from suite.store import Store

_KEY = re.compile(r"[0-9a-f]{6,64}")


def is_key(word: str) -> bool:
    """Return whether a word could be a key, or how one begins: at least 6 hexadecimal digits."""
    return _KEY.fullmatch(word) is not None


def find(store: Store, word: str) -> Record:
    """Return the record that a word means, of its attempts the first that kept its weights.

    Args:
        store: an open store.
        word: a key, or at least 6 of its first digits.

    Raises:
        SuiteError: it means none or several, or what it means kept no weights.
    """
    if not is_key(word):
        raise SuiteError(f"'{word[:80]}' is no key; expected at least 6 hexadecimal digits of one.")
    found = store.find(word)
    if not found:
        raise SuiteError(f"No record in '{store.url}' has a key that begins with '{word}'.")
    if len(found) > 1:
        several = ", ".join(key[: len(word) + 6] for key in found[:4])
        raise SuiteError(f"{len(found)} keys in '{store.url}' begin with '{word}' ({several}); give more digits.")
    attempt = store.kept(found[0])
    if attempt is None:
        raise SuiteError(_none_kept(store.get(found[0])))
    return store.get(found[0], attempt)


def _none_kept(record: Record) -> str:
    name, way = record.key[:12], record.spec.strategy
    if way in strategies.names() and strategies.get(way).keeps is None:
        return f"{name} kept no weights: {way} leaves none."
    return f"{name} kept no weights; run it again with --keep-weights, which files them with a further attempt."
