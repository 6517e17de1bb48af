"""The controls that choose a board and its rows, and what they say when something else was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from showroom.shelf import Snapshot
from showroom.views import LONGEST, Shown, View

ALL = "all"
"""What a control says where nothing was chosen."""


@dataclass(frozen=True)
class Controls:
    """Board, collection, protocol, strategies, sizes and words to search for."""

    board: gr.Radio
    collection: gr.Dropdown
    protocol: gr.Dropdown
    strategies: gr.Dropdown
    sizes: gr.Dropdown
    search: gr.Textbox

    @property
    def all(self) -> list[Any]:
        """Every control, in the order that `view_of` takes their values."""
        return [self.board, self.collection, self.protocol, self.strategies, self.sizes, self.search]

    @property
    def choosing(self) -> list[Any]:
        """What happens when another board is chosen."""
        return [self.board.input, self.collection.input, self.protocol.input]

    @property
    def narrowing(self) -> list[Any]:
        """What happens when other rows of the same board are; `input` of a text tells of key presses alone."""
        return [self.strategies.input, self.sizes.input, self.search.change]


def build(snapshot: Snapshot, shown: Shown, place: str, search: bool) -> Controls:
    """Return new controls that say what is shown; `place` begins the names of their elements."""
    said = says(snapshot, shown)
    board = gr.Radio(label="Board", show_label=False, elem_id=f"{place}-board", elem_classes="boards", **said["board"])
    with gr.Row(elem_classes="filters"):
        words = gr.Textbox(
            label="Search",
            placeholder="Checkpoint or strategy",
            elem_id=f"{place}-search",
            max_length=LONGEST,
            visible=search,
            min_width=180,
            **said["search"],
        )
        parts = {
            name: gr.Dropdown(label=label, multiselect=several, elem_id=f"{place}-{name}", min_width=150, **said[name])
            for name, label, several in (
                ("collection", "Collection", False),
                ("protocol", "Protocol", False),
                ("strategies", "Strategy (any)", True),
                ("sizes", "Parameters (any)", True),
            )
        }
    return Controls(board, parts["collection"], parts["protocol"], parts["strategies"], parts["sizes"], words)


def says(snapshot: Snapshot, shown: Shown) -> dict[str, dict[str, Any]]:
    """Return each control's choices and value."""
    view, sections = shown.view, shown.boards.sections
    protocols = snapshot.protocols
    return {
        "board": {
            "choices": [(section.title, section.slug) for section in sections],
            "value": shown.section.slug if shown.section else None,
            "visible": len(sections) > 1,
        },
        "collection": {
            "choices": [("All tasks", ALL), *((one.name, one.name) for one in snapshot.collections)],
            "value": view.collection or ALL,
        },
        "protocol": {
            "choices": [("Most records", ALL), *((one, one) for one in protocols)],
            "value": view.protocol or ALL,
        },
        "strategies": {"choices": shown.ways, "value": list(view.strategies)},
        "sizes": {"choices": shown.sizes, "value": list(view.sizes)},
        "search": {"value": view.search},
    }


def updates(snapshot: Snapshot, shown: Shown) -> list[Any]:
    """Return what the controls say now, in the order of `Controls.all`."""
    return [gr.update(**said) for said in says(snapshot, shown).values()]


def view_of(
    board: str | None,
    collection: str | None,
    protocol: str | None,
    strategies: list[str] | None,
    sizes: list[str] | None,
    search: str | None,
) -> View:
    """Return the view that the controls' values mean."""
    return View(
        collection="" if collection in (None, ALL) else str(collection),
        protocol="" if protocol in (None, ALL) else str(protocol),
        board=board or "",
        strategies=tuple(strategies or ()),
        sizes=tuple(sizes or ()),
        search=search or "",
    )
