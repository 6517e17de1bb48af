"""Checkpoints against each other."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import gradio as gr

from showroom import compare
from showroom.shelf import Shelf
from showroom.tabs import LATEST, SLOW, TELL

TAB = "tab=compare"

MOST_CHOICES = 3000
EMPTY = (
    '<p class="empty">Choose two checkpoints or more: the verdict comes in words, with the difference on each task, '
    "its interval, and the examples on which they disagree.</p>"
)


class Compare:
    """The tab."""

    def __init__(self, shelf: Shelf, tab: gr.Tab) -> None:
        """Build the parts and say what each of them does."""
        self._shelf = shelf
        protocols = shelf.now.protocols
        with gr.Row(elem_classes="filters"):
            rows = gr.Dropdown(
                shelf.now.names(next(iter(protocols), ""))[:MOST_CHOICES],
                value=[],
                multiselect=True,
                max_choices=compare.MOST,
                label="Two to four checkpoints",
                elem_id="cp-rows",
                scale=4,
            )
            way = gr.Dropdown(
                protocols, value=next(iter(protocols), None), label="Protocol", elem_id="cp-protocol", scale=1
            )
        page = gr.HTML(EMPTY, apply_default_css=False, elem_id="comparison", elem_classes="shop")
        with gr.Row(elem_classes="actions"):
            more = gr.Button("Show examples on which they disagree", size="sm", elem_id="cp-examples", visible=False)
        examples = gr.HTML("", apply_default_css=False, elem_id="disagreements", elem_classes="shop")
        link = gr.Textbox(TAB, visible=False)
        self.outputs = [rows, way, page, more, link]
        for event in (
            rows.input(self.compared, [rows, way], [page, more, examples, link], **LATEST),
            way.input(self.others, way, [rows, page, more, examples, link], **LATEST),
        ):
            event.success(None, link, None, **TELL)
        more.click(self.examples, [rows, way], examples, **SLOW)
        tab.select(None, link, None, **TELL)

    def compared(self, words: list[str] | None, way: str | None) -> tuple[Any, ...]:
        """Compare what is chosen, and tell it in a link."""
        if not words or len(words) < 2:
            return EMPTY, gr.update(visible=False), "", TAB
        other = [("protocol", way)] if way in self._shelf.now.protocols[1:] else []
        told = urlencode([("tab", "compare"), *other, *(("with", word) for word in words)])
        return compare.html(self._shelf.now, words, way or ""), gr.update(visible=True), "", told

    def others(self, way: str | None) -> tuple[Any, ...]:
        """Offer the rows of another protocol."""
        names = self._shelf.now.names(way or "")[:MOST_CHOICES]
        return gr.update(choices=names, value=[]), EMPTY, gr.update(visible=False), "", TAB

    def examples(self, words: list[str] | None, way: str | None) -> str:
        """Show the examples on which they disagree."""
        return compare.disagreements(self._shelf.now, words or [], way or "")

    def restore(self, words: list[str], way: str) -> list[Any]:
        """Return what the parts say of the rows that a link names."""
        snapshot = self._shelf.now
        way = way if way in snapshot.protocols else next(iter(snapshot.protocols), "")
        names = snapshot.names(way)
        chosen = [word for word in dict.fromkeys(words) if word in {word for _, word in names}][: compare.MOST]
        page, button, _, link = self.compared(chosen, way)
        return [gr.update(choices=names[:MOST_CHOICES], value=chosen), way or None, page, button, link]
