"""A record -> still true? Three levels, the cheapest first; each begins with the one before it.

    rescore   bytes against digests, the key against the RunSpec, metrics against the stored predictions: bit for bit
    infer     the kept weights predict again: labels agree in 99.9%, scores within a tolerance
    retrain   the run again: the same bits, or a score that the stored seeds let expect

`rescore` needs neither the checkpoint nor the data nor torch. Nothing that is stored is ever changed: a re-run is
kept beside the record, as a further attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from suite.spec import SuiteError, unknown
from suite.store import Store
from suite.verification._check import Check, Checks, Summary, Tally, summarise
from suite.verification._places import Means
from suite.verification._rescore import TOLERANCE, rescore

__all__ = ["LEVELS", "TOLERANCE", "Check", "Checks", "Means", "Summary", "Tally", "summarise", "verify"]

LEVELS = ("rescore", "infer", "retrain")


def verify(
    store: str | Store = "./results", keys: Sequence[str] | None = None, level: str = "rescore", **means: Any
) -> Checks:
    """Verify records one by one, as the checks are asked for.

    Args:
        store: a folder, an fsspec URL or an open store.
        keys: keys or beginnings of keys of at least 6 digits; by default every record. All attempts are
            verified, of which `retrain` compares the first alone.
        level: how deep to look.
        **means: the fields of Means, for the deeper levels: where checkpoints and tasks lie that were folders and
            files (`models`, `tasks`), and how to run (`engine`, `workers`, `device`, `threads`, `progress`).

    Raises:
        SuiteError: a key is not in the store, there is no such level, or the means are not there.
    """
    if level not in LEVELS:
        raise unknown("level of verification", level, LEVELS)
    opened = store if isinstance(store, Store) else Store(str(store))
    names = opened.names() if keys is None else [name for key in keys for name in _attempts(opened, key)]
    names = list(dict.fromkeys(names))
    if level == "rescore":
        return Checks((rescore(opened, name)[0] for name in opened.laid_out(names)), len(names))
    asked = Means(**means)
    if level == "infer":
        from suite.verification import _infer

        return Checks(_infer.infer(opened, opened.laid_out(names), asked), len(names))
    from suite.verification import _retrain

    return Checks(_retrain.retrain(opened, names, asked), len(names))


def _attempts(store: Store, key: str) -> list[str]:
    found = [name for name in store.names() if len(key) >= 6 and name.startswith(key)]
    if not found:
        raise SuiteError(f"No record in '{store.url}' has a key that begins with '{key}' (at least 6 digits).")
    return found
