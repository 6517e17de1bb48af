"""Where visitors ask for an evaluation."""

from __future__ import annotations

import gradio as gr

from showroom import pages
from showroom.desk import Desk, visitor_of
from showroom.tabs import QUICK, SLOW
from suite import strategies, tasks
from suite.spec import SuiteError
from suite.submissions import MOST_BYTES, Ask

ABOUT = (
    "Before a checkpoint is queued it is looked at: it must exist, hold safetensors, need no code of its own, have at "
    f"most {MOST_BYTES / 1e9:g} GB of weights, state a licence, and neither be on the board nor wait already. A branch "
    "or tag is pinned to the commit of today. Your address is counted in memory for a day, and written nowhere."
)


class Submit:
    """The tab; the queue is read when it is opened."""

    def __init__(self, desk: Desk, tab: gr.Tab) -> None:
        """Build the parts and say what each of them does."""
        self._desk = desk
        shop = {"apply_default_css": False, "elem_classes": "shop"}
        gr.HTML(f'<p class="lead">Ask for a checkpoint to be evaluated.</p><p class="quiet">{ABOUT}</p>', **shop)
        with gr.Row(elem_classes="filters"):
            model = gr.Textbox(
                label="Checkpoint", placeholder="org/name on the Hub", max_length=200, elem_id="sb-model", scale=2
            )
            revision = gr.Textbox(label="Revision", placeholder="main", max_length=100, elem_id="sb-revision")
            way = gr.Dropdown(strategies.names(), value="linear_probe", label="Strategy", elem_id="sb-strategy")
            groups = sorted(tasks.collection_files())
            group = gr.Dropdown(groups, value="quick", label="Collection", elem_id="sb-collection")
        with gr.Row(elem_classes="actions"):
            send = gr.Button("Submit", variant="primary", elem_id="sb-send")
        answer = gr.HTML("", elem_id="sb-answer", **shop)
        gr.HTML("<h2>The queue</h2>", **shop)
        queue = gr.HTML("", elem_id="queue", **shop)
        with gr.Row(elem_classes="actions"):
            again = gr.Button("Refresh", size="sm", elem_id="sb-refresh")
        send.click(self.submit, [model, revision, way, group], [answer, queue], concurrency_limit=2, **SLOW)
        tab.select(desk.html, None, queue, **QUICK)
        again.click(desk.html, None, queue, **QUICK)

    def submit(
        self, model: str | None, revision: str | None, way: str | None, group: str | None, request: gr.Request
    ) -> tuple[str, str]:
        """Queue what is asked for, or say why not."""
        visitor = visitor_of(request.client.host if request.client else None, request.headers)
        ask = Ask(model or "", way or "", group or "", revision or "")
        try:
            told, tone = self._desk.submit(ask, visitor), "good"
        except SuiteError as error:
            told, tone = str(error), "bad"
        return pages.render("answer", text=told, tone=tone), self._desk.html()
