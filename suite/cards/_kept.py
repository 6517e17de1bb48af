"""The card of kept weights: a fine-tuned checkpoint, an adapter or a head, and how to use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from suite import artifacts, files, kept, kinds
from suite.admission import Filter
from suite.artifacts import About
from suite.cards import Card, _kept_view
from suite.cards._base import rests_on
from suite.cards._front_matter import INDEX
from suite.cards._metadata import (
    TAG,
    Fact,
    eval_results,
    metric_of,
    model_index,
    on_hub,
    pipeline_of,
)
from suite.cards._render import render
from suite.cards._text import text
from suite.evidence import Section, sections
from suite.index import Contents
from suite.leaderboard import Cell
from suite.spec import Record
from suite.store import Store

TEMPLATE = "kept_card.md.jinja"


@dataclass(frozen=True)
class Weights:
    """Kept weights: their record and what their folder says, with the board of the runs that differ in seed alone."""

    record: Record
    about: About
    section: Section | None

    @property
    def cell(self) -> Cell | None:
        """The scores of all seeds."""
        return self.section.lines[0].row.tasks.get(self.record.task) if self.section else None

    @property
    def what(self) -> str:
        """What they are, in words."""
        return {"peft": "adapter", "safetensors": "linear head"}.get(self.about.library, "fine-tuned checkpoint")

    @property
    def title(self) -> str:
        """What they are called where no repository gives them a name."""
        base = self.about.base.name.rpartition("/")[2]
        return f"{base}-{self.record.task}-{self.record.spec.strategy}"


def made(store: Store, key: str, repo: str | None, licence: str | None, source: str | None) -> Card:
    """Return the card of what a key means.

    Raises:
        SuiteError: it means none or several, or nothing was kept.
    """
    weights = _weights(store, kept.find(store, key))
    name = repo.rpartition("/")[2] if repo else weights.title
    found = list(_facts(weights))
    metadata = _metadata(weights, licence)
    if index := model_index(name, found, source):
        metadata[INDEX] = index
    shown = render(TEMPLATE, _kept_view.view(weights, repo, licence))
    return Card(str(text(name)), shown, metadata, eval_results(found[:1], source))


def _weights(store: Store, record: Record) -> Weights:
    with files.scratch() as folder:  # of a store elsewhere no weights are fetched
        (folder / artifacts.ABOUT).write_bytes(store.weight_file(record.key, record.attempt, artifacts.ABOUT))
        about = artifacts.read_about(folder)
    contents = store.contents()
    mine = next((e for e in [*contents.entries, *contents.again] if e.head.key == record.key), None)
    same = [e for e in contents.entries if mine and _alike(e, mine)]
    found, _ = sections(Contents(same), None, Filter()) if same else ([], [])
    return Weights(record, about, found[0] if found else None)


def _alike(entry: Any, mine: Any) -> bool:
    """Return whether two entries differ in seed and fold alone."""
    names = ("row", "task", "column", "protocol", "resample")
    return all(getattr(entry.head, name) == getattr(mine.head, name) for name in names)


def _metadata(weights: Weights, licence: str | None) -> dict[str, Any]:
    """Return the front matter, its model-index aside: only what is known, and known to the Hub."""
    record, about = weights.record, weights.about
    known: dict[str, Any] = {}
    if licence:
        known["license"] = licence
    if about.library in ("transformers", "timm", "peft"):
        known["library_name"] = about.library
    if record.task_spec.kind in kinds.names():
        known["pipeline_tag"] = pipeline_of(record.task_spec.kind)
    if not about.base.revision.startswith("sha256:") and about.base.init == "pretrained":
        known["base_model"] = about.base.name
        if relation := {"transformers": "finetune", "timm": "finetune", "peft": "adapter"}.get(about.library):
            known["base_model_relation"] = relation
    if on_hub(record.task_spec):
        known["datasets"] = [record.task_spec.dataset.path]
    known["metrics"] = sorted({metric_of(name) for name in record.metrics})
    known["tags"] = [TAG, record.spec.strategy]
    return known


def _facts(weights: Weights) -> Iterator[Fact]:
    """Yield every metric of these very weights, the main one first."""
    record, cell = weights.record, weights.cell
    mine = f"{record.spec.strategy}, these weights (seed {record.spec.seed})"
    all_seeds = f"; of all seeds {cell.mean:.4g}, {rests_on(cell)}" if cell else ""
    for name in (record.main.name, *sorted(record.metrics.keys() - {record.main.name})):
        yield Fact(
            spec=record.spec,
            task=record.task_spec,
            metric=name,
            value=record.metrics[name],
            words=mine + (all_seeds if name == record.main.name else ""),
            date=record.created,
            way=record.spec.strategy,
        )
