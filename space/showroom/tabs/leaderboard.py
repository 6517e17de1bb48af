"""The leaderboard: search, filter, sort, one row's sheet, download and link."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from showroom import board, cards, sheet
from showroom.shelf import Shelf, Snapshot, row_id
from showroom.tabs import LATEST, QUICK, TELL, controls
from showroom.views import LONGEST, Shown, View, of_query, show
from suite.evidence import Line, Section

CLICKS = """
element.addEventListener('click', (event) => {
  const sort = event.target.closest('[data-sort]'), row = event.target.closest('[data-row]');
  if (sort) trigger('sort', {key: sort.dataset.sort});
  else if (event.target.closest('[data-every]')) trigger('whole', {});
  else if (row && !String(window.getSelection())) trigger('choose', {row: row.dataset.row});
});
"""


class Leaderboard:
    """The tab: what it shows follows from the values of its parts.

    `order` holds the column that is sorted by, and whether all rows were asked for.
    """

    def __init__(self, shelf: Shelf, tab: gr.Tab) -> None:
        """Build the parts and say what each of them does."""
        self._shelf = shelf
        snapshot = shelf.now
        first = show(snapshot, View())
        self._asked = controls.build(snapshot, first, "lb", search=True)
        self._table = gr.HTML(
            board.html(first), js_on_load=CLICKS, apply_default_css=False, elem_id="board", elem_classes="shop"
        )
        with gr.Row(elem_classes="actions"):
            save = gr.Button("Download these rows (CSV)", size="sm", elem_id="lb-save")
            copy = gr.Button("Copy link to this view", size="sm", elem_id="lb-link")
        self._link, self._text = gr.Textbox("", visible=False), gr.Textbox("", visible=False)
        self._order = gr.State(("", False))
        self._drawer = _Drawer(shelf)
        self._wire(save, copy)
        tab.select(None, self._link, None, **TELL)

    def _wire(self, save: gr.Button, copy: gr.Button) -> None:
        asked, inputs = self._asked, [*self._asked.all, self._order]
        for event in (
            gr.on(asked.narrowing, self.refilter, inputs, [self._table, self._link], **LATEST),
            gr.on(asked.choosing, self.rechoose, inputs, [*asked.all, self._table, self._link], **LATEST),
            self._table.sort(self.resort, inputs, [self._table, self._link, self._order], **LATEST),
            self._table.whole(self.whole, inputs, [self._table, self._link, self._order], **LATEST),
        ):
            event.success(None, self._link, None, **TELL)
        chosen = self._table.choose(self.choose, inputs, self._drawer.outputs, **LATEST)
        chosen.success(None, js="() => shop.drawer('drawer')", **QUICK)
        saved = save.click(self.download, inputs, self._text, **QUICK)
        saved.success(None, self._text, None, js="(text) => shop.save('leaderboard.csv', text)", **QUICK)
        copy.click(None, js="() => shop.copy('lb-link')", **QUICK)

    @property
    def outputs(self) -> list[Any]:
        """What `restore` fills."""
        return [*self._asked.all, self._table, self._order, self._link]

    def restore(self, query: str) -> list[Any]:
        """Return what the parts say of the view that a link tells."""
        snapshot = self._shelf.now
        shown = show(snapshot, of_query(query))
        order = (shown.view.sort, shown.view.every)
        return [*controls.updates(snapshot, shown), board.html(shown), order, shown.view.query()]

    def refilter(self, *chosen: Any) -> tuple[Any, ...]:
        """Show other rows of the same board."""
        shown = show(self._shelf.now, _view(*chosen))
        return board.html(shown), shown.view.query()

    def rechoose(self, *chosen: Any) -> tuple[Any, ...]:
        """Show another board, and what can be asked of it."""
        snapshot = self._shelf.now
        shown = show(snapshot, _view(*chosen))
        return (*controls.updates(snapshot, shown), board.html(shown), shown.view.query())

    def resort(self, event: gr.EventData, *chosen: Any) -> tuple[Any, ...]:
        """Sort by a column: best first, then worst first, then by rank again."""
        now, column = _view(*chosen), str(event._data.get("key", ""))[:LONGEST]
        sort = {column: f"-{column}", f"-{column}": ""}.get(now.sort, column)
        return self._again(replace(now, sort=sort))

    def whole(self, *chosen: Any) -> tuple[Any, ...]:
        """Show all rows."""
        return self._again(replace(_view(*chosen), every=True))

    def _again(self, view: View) -> tuple[Any, ...]:
        shown = show(self._shelf.now, view)
        return board.html(shown), shown.view.query(), (shown.view.sort, shown.view.every)

    def download(self, *chosen: Any) -> str:
        """Return the rows that are shown as CSV."""
        return board.as_csv(show(self._shelf.now, _view(*chosen)).lines)

    def choose(self, event: gr.EventData, *chosen: Any) -> tuple[Any, ...]:
        """Open a row's sheet."""
        snapshot, name = self._shelf.now, str(event._data.get("row", ""))
        found = _on(show(snapshot, _view(*chosen)), name) or find(snapshot, name)
        if found is None:
            raise gr.Error("This row is no longer on the board.")
        return sheet.html(*found), "", name, gr.update(open=False)


class _Drawer:
    """What slides in with a row's sheet and, when it is opened, the checkpoint's card."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        with gr.Column(elem_id="drawer", elem_classes="drawer"):
            with gr.Row(elem_classes="bar"):
                close = gr.Button("Close", size="sm", elem_classes="close")
            sheet = gr.HTML("", apply_default_css=False, elem_id="sheet", elem_classes="shop")
            with gr.Accordion("Model card", open=False, elem_id="card-fold") as fold:
                card = gr.Markdown("", elem_id="card", sanitize_html=True)
                save = gr.Button("Download this card", size="sm")
        row, text = gr.Textbox("", visible=False), gr.Textbox("", visible=False)
        self.outputs = [sheet, card, row, fold]
        fold.expand(self.read, row, [card, text], **QUICK)
        save.click(None, text, None, js="(text) => shop.save('README.md', text)", **QUICK)
        close.click(None, js="() => shop.drawer('')", **QUICK)

    def read(self, name: str) -> tuple[str, str]:
        """Return the card of a row's checkpoint as it is shown, and whole."""
        found = find(self._shelf.now, name)
        return cards.of_line(self._shelf, found[1]) if found else ("", "")


def _view(*chosen: Any) -> View:
    *values, (sort, every) = chosen
    return replace(controls.view_of(*values), sort=sort, every=every)


def _on(shown: Shown, name: str) -> tuple[Section, Line] | None:
    """Return a row of the board that is shown."""
    lines = shown.section.lines if shown.section else ()
    line = next((one for one in lines if row_id(one) == name), None)
    return (shown.section, line) if shown.section and line else None


def find(snapshot: Snapshot, name: str) -> tuple[Section, Line] | None:
    """Return a row by its name, under any protocol."""
    for protocol in snapshot.protocols:
        for section in snapshot.boards("", protocol).sections:
            for line in section.lines:
                if row_id(line) == name:
                    return section, line
    return None
