"""The tasks, and one of them in full."""

from __future__ import annotations

from typing import Any

import gradio as gr

from showroom import library
from showroom.shelf import Shelf
from showroom.tabs import LATEST, QUICK, SLOW
from suite.spec import SuiteError

CLICKS = """
element.addEventListener('click', (event) => {
  const task = event.target.closest('[data-task]');
  if (task && !String(window.getSelection())) trigger('choose', {task: task.dataset.task});
});
"""


class Library:
    """The tab; its list is made when it is opened."""

    def __init__(self, shelf: Shelf, tab: gr.Tab) -> None:
        """Build the parts and say what each of them does."""
        self._shelf = shelf
        listed = gr.HTML(
            "", js_on_load=CLICKS, apply_default_css=False, elem_id="tasks", elem_classes="shop", min_height=600
        )
        with gr.Column(elem_id="task-drawer", elem_classes="drawer"):
            with gr.Row(elem_classes="bar"):
                close = gr.Button("Close", size="sm", elem_classes="close")
            page = gr.HTML("", apply_default_css=False, elem_id="task", elem_classes="shop")
            with gr.Row(elem_classes="actions"):
                more = gr.Button("Show test examples", size="sm", elem_id="ts-examples", visible=False)
            examples = gr.HTML("", apply_default_css=False, elem_id="specimens", elem_classes="shop")
        name = gr.Textbox("", visible=False)
        tab.select(lambda: library.html(shelf.now), None, listed, **QUICK)
        chosen = listed.choose(self.choose, None, [page, more, examples, name], **LATEST)
        chosen.success(None, js="() => shop.drawer('task-drawer')", **QUICK)
        close.click(None, js="() => shop.drawer('')", **QUICK)
        more.click(lambda word: library.examples_html(shelf.now, word), name, examples, **SLOW)

    def choose(self, event: gr.EventData) -> tuple[Any, ...]:
        """Open a task's page."""
        word, snapshot = str(event._data.get("task", "")), self._shelf.now
        try:
            page = library.task_html(snapshot, word)
        except SuiteError as error:
            raise gr.Error(str(error)) from None
        return page, gr.update(visible=any(task.name == word for task in snapshot.tasks)), "", word
