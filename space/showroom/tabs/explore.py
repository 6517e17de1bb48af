"""A board as figures."""

from __future__ import annotations

from typing import Any

import gradio as gr

from showroom import explore
from showroom.shelf import Shelf
from showroom.tabs import LATEST, QUICK, controls
from showroom.views import View, show


class Explore:
    """The tab; its figures are drawn when it is opened."""

    def __init__(self, shelf: Shelf, tab: gr.Tab) -> None:
        """Build the parts and say what each of them does."""
        self._shelf = shelf
        snapshot = shelf.now
        asked = controls.build(snapshot, show(snapshot, View()), "ex", search=False)
        page = gr.HTML("", apply_default_css=False, elem_id="figures", elem_classes="shop", min_height=600)
        tab.select(self.redraw, asked.all, page, **QUICK)
        gr.on(asked.narrowing, self.redraw, asked.all, page, **LATEST)
        gr.on(asked.choosing, self.rechoose, asked.all, [*asked.all, page], **LATEST)

    def redraw(self, *chosen: Any) -> str:
        """Draw the rows that are chosen."""
        return explore.html(show(self._shelf.now, controls.view_of(*chosen)))

    def rechoose(self, *chosen: Any) -> tuple[Any, ...]:
        """Draw another board, and say what can be asked of it."""
        snapshot = self._shelf.now
        shown = show(snapshot, controls.view_of(*chosen))
        return (*controls.updates(snapshot, shown), explore.html(shown))
