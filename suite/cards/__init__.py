"""Records -> model cards: Markdown, metadata that the Hub reads, and a merge that leaves an author's words alone.

    made = cards.card("./results", "org/model")            how well a checkpoint adapts
    made = cards.kept_card("./results", "3f9c12")          kept weights: what they do, and how to load them
    Path("README.md").write_text(cards.merge(Path("README.md").read_text(), made))

The same records give the same bytes. Nothing is pushed from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite import hub
from suite.admission import Filter, read
from suite.index import Contents
from suite.spec import SuiteError
from suite.store import Store

__all__ = ["Card", "card", "kept_card", "merge"]


@dataclass(frozen=True)
class Card:
    """A model card: a title, the section that is ours, the front matter, and files of `.eval_results` by path."""

    title: str
    section: str
    metadata: dict[str, Any] = field(default_factory=dict)
    eval_results: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole Markdown, as a repository without a card would have it."""
        return merge("", self)


def card(
    store: str | Store | Contents,
    model: str,
    *,
    strategy: str | None = None,
    protocol: str | None = None,
    source: str | None = None,
    licence: str | None = None,
    ask: bool = False,
) -> Card:
    """Return the card of a checkpoint: how well it adapts.

    Args:
        store: a folder, an fsspec URL, an open store, or what one holds, read already.
        model: its name as the leaderboard shows it, `NAME@REVISION`, or its folder.
        strategy: only this strategy.
        protocol: only this protocol; by default that with the most of its records.
        source: the address where the records can be seen, or a data set as `hf://datasets/org/results`; by default
            that of a store on the Hub, and of any other none.
        licence: the checkpoint's, by the Hub's name for it; no record knows it.
        ask: read the licence off the checkpoint's own card, at its revision, where none is given.

    Raises:
        SuiteError: the store cannot be opened, the name means no checkpoint in it, or several, or the source is no
            address.
    """
    from suite.cards import _base, _checkpoint

    url = url_of(store)
    found = _checkpoint.find(read(store), model, Filter(strategy, protocol), url)
    named = {"license": licence} if licence else {}
    if ask and not named:
        named = hub.licence(found.name, found.revision, model if Path(model).is_dir() else None)
    return _base.made(found, _address(source, url), named)


def kept_card(
    store: str | Store,
    key: str,
    *,
    repo: str | None = None,
    licence: str | None = None,
    source: str | None = None,
) -> Card:
    """Return the card of kept weights: what they do, how well, and how to load them.

    Args:
        store: a folder, an fsspec URL or an open store.
        key: the record's, or at least 6 of its first digits.
        repo: the repository that the weights go to, as the card's code names it; else it names a folder.
        licence: the licence of the weights, by the Hub's name for it; no record knows it.
        source: the address where the records can be seen, as for `card`.

    Raises:
        SuiteError: the store cannot be opened, the key means none or several, or nothing was kept.
    """
    from suite.cards import _kept

    opened = store if isinstance(store, Store) else Store(str(store))
    return _kept.made(opened, key, repo, licence, _address(source, opened.url))


def merge(existing: str, made: Card) -> str:
    """Return an existing card with ours in it: its author's words and metadata stay, byte for byte.

    Only our marked section, our entries of the model-index and metadata that the author does not have change. Merging
    twice changes nothing.

    Raises:
        SuiteError: the existing card's metadata cannot be read.
    """
    from suite.cards import _merge

    return _merge.merged(existing, made.title, made.section, made.metadata)


def _address(source: str | None, url: str) -> str | None:
    """Return where the records can be seen, as far as anybody said.

    Raises:
        SuiteError: what was said is no address.
    """
    from suite.cards import _metadata

    if not source:
        return _metadata.source_of(url)
    told = _metadata.source_of(source) or source
    if not told.startswith(("https://", "http://")):
        raise SuiteError(f"'{source[:100]}' is no address; expected https://... or hf://datasets/org/results.")
    return told


def url_of(store: str | Store | Contents) -> str:
    """Return what a store is called; '' where only what it holds is known."""
    return "" if isinstance(store, Contents) else store.url if isinstance(store, Store) else str(store)
