"""A board as figures."""

from __future__ import annotations

from typing import Any

import gradio as gr

from showroom import explore
from showroom.shelf import Shelf
from showroom.tabs import LATEST, QUICK, TELL, controls
from showroom.views import Shown, View, of_query, show

TAB = "tab=explore"


class Explore:
    """The tab; its figures are drawn when it is opened."""

    def __init__(self, shelf: Shelf, tab: gr.Tab) -> None:
        """Build the parts and say what each of them does."""
        self._shelf = shelf
        snapshot = shelf.now
        asked = controls.build(snapshot, show(snapshot, View()), "ex", search=False)
        page = gr.HTML("", apply_default_css=False, elem_id="figures", elem_classes="shop", min_height=600)
        link = gr.Textbox(TAB, visible=False)
        self.asked, drawn = asked.all, [page, link]
        self.outputs = [*asked.all, *drawn]
        for event in (
            tab.select(self.redraw, asked.all, drawn, **QUICK),
            gr.on(asked.narrowing, self.redraw, asked.all, drawn, **LATEST),
            gr.on(asked.choosing, self.rechoose, asked.all, self.outputs, **LATEST),
        ):
            event.success(None, link, None, **TELL)

    def restore(self, query: str) -> list[Any]:
        """Return what the parts say of the view that a link tells."""
        snapshot = self._shelf.now
        shown = show(snapshot, of_query(query))
        return [*controls.updates(snapshot, shown), *_drawn(shown)]

    def redraw(self, *chosen: Any) -> tuple[str, str]:
        """Draw the rows that are chosen."""
        return _drawn(show(self._shelf.now, controls.view_of(*chosen)))

    def rechoose(self, *chosen: Any) -> tuple[Any, ...]:
        """Draw another board, and say what can be asked of it."""
        snapshot = self._shelf.now
        shown = show(snapshot, controls.view_of(*chosen))
        return (*controls.updates(snapshot, shown), *_drawn(shown))


def _drawn(shown: Shown) -> tuple[str, str]:
    """Return the figures of a view, and the query of the link to them."""
    return explore.html(shown), "&".join(filter(None, (TAB, shown.view.query())))
