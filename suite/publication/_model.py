"""A checkpoint's card to its repository, or kept weights with theirs to one of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from suite import artifacts, cards, hub, kept
from suite.cards import Card
from suite.publication._destination import Destination, bring, text_of
from suite.spec import Record, SuiteError
from suite.store import Store

BASE_MESSAGE = "Add how well the checkpoint adapts (Transfer Suite)"
KEPT_MESSAGE = "Add fine-tuned weights and their card (Transfer Suite)"
OURS = ".eval_results/transfer-suite-"
"""How the files of `.eval_results` begin that are ours: those of tasks that are no more are taken away."""


@dataclass(frozen=True)
class About:
    """What a card is to say: which records count, and what none knows: a licence, where the records are to be seen."""

    licence: str | None = None
    source: str | None = None
    strategy: str | None = None
    protocol: str | None = None


def publish(
    model: str,
    to: Destination,
    store: str | Store = "./results",
    weights: str | None = None,
    about: About | None = None,
) -> hub.Pushed:
    """Push the card of a checkpoint, or kept weights with theirs; return what came of it.

    Args:
        model: a checkpoint as the store names it, or the key of a record that kept its weights.
        to: where to.
        store: where the records are.
        weights: the key of the weights to push with their card; 'none' pushes the card of a key without them. By
            default the weights of a key, and none of a checkpoint.
        about: what the card is to say.

    Raises:
        SuiteError: the store does not hold it, or the Hub does not take it; nothing was published.
    """
    hub.check_name(to.repo)
    opened, said = store if isinstance(store, Store) else Store(str(store)), about or About()
    key = weights if weights not in (None, "none") else model if _is_key(model, opened) else None
    if key is None:
        made = cards.card(
            opened,
            model,
            strategy=said.strategy,
            protocol=said.protocol,
            source=said.source,
            licence=said.licence,
            ask=True,
        )
        return bring(to, lambda head: _card_files(head, made), BASE_MESSAGE, "model")
    record = kept.find(opened, key)
    if key != model:
        _check_of(record, model)
    made = cards.kept_card(opened, record.key, repo=to.repo, licence=said.licence, source=said.source)
    if weights == "none":
        return bring(to, lambda head: _card_files(head, made), KEPT_MESSAGE, "model")
    return _with_weights(record, made, to, opened)


def _is_key(word: str, store: Store) -> bool:
    return kept.is_key(word) and bool(store.find(word))


def _check_of(record: Record, model: str) -> None:
    """Refuse weights that were made of another checkpoint than the one named."""
    name = record.spec.checkpoint.name
    word = model.partition("@")[0]
    if name not in (word, Path(word).name):
        raise SuiteError(f"The weights {record.key[:12]} were made of '{name}', not of '{model}'.")


def _card_files(head: hub.Head, made: Card) -> dict[str, bytes | Path | None]:
    """Return the card merged with the one that is there, and our files of `.eval_results`, and those to take away."""
    files: dict[str, bytes | Path | None] = {
        name: None for name in head.names(".eval_results") if name.startswith(OURS) and name not in made.eval_results
    }
    files |= {name: text.encode() for name, text in made.eval_results.items()}
    return files | {"README.md": cards.merge(text_of(head, "README.md"), made).encode()}


def _with_weights(record: Record, made: Card, to: Destination, store: Store) -> hub.Pushed:
    if to.repo == record.spec.checkpoint.name:
        raise SuiteError(
            f"'{to.repo}' is the checkpoint that was adapted: the weights would take the place of its own. "
            "Choose another repository."
        )
    with store.weights(record.key, record.attempt) as folder:
        if changed := artifacts.changed(record.artifact, folder):
            raise SuiteError(f"{record.key[:12]}: {changed[0]}. Nothing was published.")
        files = {name: folder / name for name in record.artifact}

        def compose(head: hub.Head) -> dict[str, bytes | Path | None]:
            _check_not_others(head, files)
            return {**files, **_card_files(head, made)}

        return bring(to, compose, KEPT_MESSAGE, "model")


def _check_not_others(head: hub.Head, files: dict[str, Path]) -> None:
    """Refuse to put weights in the place of others that did not come from here."""
    there = set(head.names())
    others = sorted(name for name in there if name.endswith(".safetensors"))
    if others and artifacts.ABOUT not in there:
        raise SuiteError(
            f"{head.label[0].upper()}{head.label[1:]} holds other weights already ({others[0]}). "
            "Choose another repository; nobody's weights are overwritten."
        )
