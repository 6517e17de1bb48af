"""Records of a store to a data set of the Hub: what it lacks is added, in one commit; nothing is rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from suite import cards, files, hub, packaging
from suite.publication import _every_eval_ever, _pack, _pages
from suite.publication._destination import Destination, bring, text_of
from suite.spec import SuiteError, canonical_json
from suite.store import Store

MESSAGE = "Add records (Transfer Suite)"
_LOOSE = re.compile(r"records/[0-9a-f]{2}/([0-9a-f]{64}-\d+)/digest\.json")
_INDEX = re.compile(rf"{packaging.FOLDER}/[^/]+/{re.escape(packaging.INDEX)}")


@dataclass(frozen=True)
class Published:
    """What came of publishing records: those that were new, those that were there, and what was left out and why."""

    pushed: hub.Pushed
    new: tuple[str, ...] = ()
    known: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def sentence(self) -> str:
        """Return it in words."""
        if not self.new:
            return self.pushed.sentence()
        one = len(self.new) == 1
        verb = "would be" if self.pushed.commit is None else "is" if one else "are"
        known = f", {self.known:,} {'is' if self.known == 1 else 'are'} there already" if self.known else ""
        return f"{len(self.new):,} record{'' if one else 's'} {verb} new{known}. {self.pushed.sentence()}"


class _Composer:
    """What a data set lacks of a store, made anew for each head."""

    def __init__(self, store: Store, organisation: str, folder: Path) -> None:
        contents = store.contents()
        self.left_out = dict(contents.faults)
        heads = [entry.head for entry in (*contents.entries, *contents.again)]
        self._held = [head.name for head in sorted(heads, key=lambda head: (head.task, head.column, head.name))]
        self._shelf, self._organisation, self._folder = _pack.Shelf(store), organisation, folder
        self._lacking: list[str] | None = None
        self._packs: dict[str, Path] = {}
        self.new: list[_pack.Label] = []
        self.known = 0
        if not self._held:
            reasons = "".join(f"\n{reason}" for reason in self.left_out.values())
            raise SuiteError(f"The store '{store.url}' holds no record to publish.{reasons}")

    def files(self, head: hub.Head) -> hub.Files:
        """Return the packs of what a head lacks with the pages beside them; nothing where it lacks nothing."""
        there = _names_in(head)
        lacking = [name for name in self._held if name not in there]
        self.known = len(self._held) - len(lacking)
        if lacking != self._lacking:
            self._lacking, self.new = lacking, []
            self._packs = _pack.write(self._filed(lacking), self._folder, self._others)
        if not self._packs:
            return {}
        readme = cards.merge(text_of(head, "README.md"), _pages.card(head.repo))
        return {**self._packs, "README.md": readme.encode(), _pages.SCHEMA: _pages.schema_page().encode()}

    def _filed(self, names: list[str]) -> Iterator[_pack.Filed]:
        for name in names:
            try:
                filed = self._shelf.filed(name)
            except SuiteError as error:
                self.left_out[name] = str(error)
                continue
            if hub.has_token(filed.text.decode()):
                self.left_out[name] = f"{name}: the record holds what looks like a token of the Hub."
                continue
            self.new.append(filed.label)
            yield filed

    def _others(self, filed: _pack.Filed) -> str:
        """Return the record as others have it, '' where it does not fit: it is published all the same."""
        try:
            made = _every_eval_ever.document(filed.record, filed.values(), self._organisation)
        except SuiteError:
            return ""
        return canonical_json(made) if made else ""


def publish_results(to: Destination, store: str | Store = "./results") -> Published:
    """Bring to a data set of the Hub what it lacks of a store's records, and return what came of it.

    Raises:
        SuiteError: the store holds nothing, or the Hub does not take it; nothing was published.
    """
    opened = store if isinstance(store, Store) else Store(str(store))
    hub.check_name(to.repo)
    with files.scratch() as folder:
        composer = _Composer(opened, to.repo.partition("/")[0], folder)
        pushed = bring(to, composer.files, MESSAGE, "dataset")
    new = composer.new if pushed.changes else []
    return Published(
        pushed, tuple(one.name for one in new), composer.known, composer.left_out, sum(n.size for n in new)
    )


def _names_in(head: hub.Head) -> set[str]:
    """Return the names of the records that a data set holds, packed or each in its folder."""
    names = set()
    for path in head.names():
        if loose := _LOOSE.fullmatch(path):
            names.add(loose[1])
        elif _INDEX.fullmatch(path) and (content := head.read(path)):
            try:
                names |= set(packaging.names_of(content))
            except ValueError:
                raise SuiteError(f"{path} of {head.label} is no index of records; nothing was published.") from None
    return names
