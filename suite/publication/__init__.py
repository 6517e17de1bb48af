"""What goes to the Hub: a checkpoint's card, kept weights with theirs, and the records that they rest on.

    publish("org/m", Destination("org/m", pull_request=True), store="./results")
    publish_results(Destination("org/results"), store="./results")

Everything is one commit, made from what is there: an author's words and others' records stay. Saying it again changes
nothing.
"""

from __future__ import annotations

from pathlib import Path

from suite.publication._destination import Destination
from suite.publication._merging import merge_packs
from suite.publication._model import About, publish
from suite.publication._results import Published, publish_results
from suite.store import Store

__all__ = ["About", "Destination", "Published", "export", "merge_packs", "publish", "publish_results"]


def export(store: str | Store, folder: Path, organisation: str) -> list[Path]:
    """Write a store's records in the schema of Every Eval Ever below a folder, and return the files.

    Runs of random weights and re-runs of the same key are left out: they say nothing of a model of that name.

    Args:
        store: a folder, an fsspec URL or an open store.
        folder: gets `data/transfer-suite/DEVELOPER/MODEL/UUID.json`, as that project's data store has them.
        organisation: who publishes the records.

    Raises:
        SuiteError: the store cannot be read, or a record does not fit the schema.
    """
    from suite.publication import _every_eval_ever, _pack

    opened = store if isinstance(store, Store) else Store(str(store))
    shelf = _pack.Shelf(opened)
    filed = (shelf.filed(entry.head.name) for entry in opened.contents().entries)
    made = (_every_eval_ever.document(one.record, one.values(), organisation) for one in filed)
    return _every_eval_ever.write((one for one in made if one), folder)
