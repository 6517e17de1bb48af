"""Kept weights to try on one's own text or picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from showroom import pages
from showroom.booth import LONGEST, MOST_BYTES, NAMES, Booth, Exhibit
from showroom.tabs import QUICK, SLOW
from suite import limits
from suite.spec import SuiteError

WAIT = "() => [{__type__: 'update', interactive: false}, {__type__: 'update', interactive: false}]"
"""At once, in the browser: nothing is asked of a form that is still following the choice."""

TEXTS = ("text", "text_pair", "tokens", "question", "context", "choices")
LINES = {"context": 6, "choices": 4, "text": 3, "tokens": 3}


class Demo:
    """The tab. One input part a field; those that the chosen model reads are shown."""

    def __init__(self, booth: Booth, tab: gr.Tab) -> None:
        """Build the parts and say what each of them does."""
        self._booth = booth
        found = booth.exhibits()
        first = found[0] if found else None
        if not found:
            gr.HTML(pages.render("nothing_kept"), apply_default_css=False, elem_classes="shop")
        with gr.Row(elem_classes="filters", visible=bool(found)):
            model = gr.Dropdown(
                [(one.label, one.key) for one in found],
                value=first.key if first else None,
                label="Kept model: task · checkpoint · strategy",
                elem_id="dm-model",
            )
        parts: list[Any] = [
            gr.Textbox(
                label=NAMES[name],
                lines=LINES.get(name, 2),
                max_length=LONGEST,
                visible=first is not None and name in first.fields,
                elem_id=f"dm-{name}",
            )
            for name in TEXTS
        ]
        with gr.Column(visible=first is not None and "image" in first.fields) as frame:
            picture = gr.Image(
                label=f"Picture, up to {MOST_BYTES // 1_000_000} MB",
                type="filepath",
                sources=["upload", "clipboard"],
                buttons=[],
                height=260,
                elem_id="dm-image",
            )
        picture.preprocess = _path  # type: ignore[method-assign]  # whoever reads the file opens it, under limits
        self._parts = [*parts, picture]
        with gr.Row(elem_classes="actions", visible=bool(found)):
            go = gr.Button("Ask", variant="primary", elem_id="dm-ask")
            fill = gr.Button("Fill in a test example", elem_id="dm-fill")
        answer = gr.HTML("", apply_default_css=False, elem_id="dm-answer", elem_classes="shop", min_height=80)
        form = gr.Textbox(first.key if first else "", visible=False)
        self._follows = [form, *self._parts, frame, answer, go, fill]
        slow = {**SLOW, "show_progress": "full", "concurrency_limit": 1, "concurrency_id": "demo"}
        asked = go.click(self.ask, [form, model, *self._parts], answer, **slow)
        filled = fill.click(self.fill, model, [*self._parts, answer], **SLOW)
        model.select(None, None, [go, fill], js=WAIT, **QUICK)
        model.select(self.choose, model, self._follows, cancels=[asked, filled], **QUICK)
        tab.select(self.offered, model, [model, *self._follows], **QUICK)

    def offered(self, key: str | None) -> list[Any]:
        """Offer what is kept now; the form follows if what was chosen is no longer there."""
        found = self._booth.exhibits()
        keys = [one.key for one in found]
        value = key if key in keys else next(iter(keys), None)
        offer = gr.update(choices=[(one.label, one.key) for one in found], value=value)
        return [offer, *(self.choose(value) if value != key else [gr.skip()] * len(self._follows))]

    def choose(self, key: str | None) -> list[Any]:
        """Show the parts that a model reads, empty, and whose form it is; then it may be asked."""
        try:
            exhibit: Exhibit | None = self._booth.of(key or "")
        except SuiteError:
            exhibit = None
        fields = exhibit.fields if exhibit else ()
        texts = [gr.update(visible=name in fields, value=None) for name in TEXTS]
        ready = gr.update(interactive=True)
        return [key or "", *texts, None, gr.update(visible="image" in fields), "", ready, ready]

    def ask(self, form: str, key: str | None, *given: Any) -> str:
        """Show what a model answers, or why it does not; `form` is the model whose form was filled in."""
        values = dict(zip((*TEXTS, "image"), given, strict=True))
        try:
            if form != (key or ""):
                raise SuiteError("The form was still following your choice of a model; ask again.")
            if values["image"] is not None:
                values["image"] = _content(Path(values["image"]))
            return self._booth.ask(key or "", values)
        except SuiteError as error:
            return pages.render("answer", text=str(error), tone="bad")

    def fill(self, key: str | None) -> list[Any]:
        """Fill in a test row of the model's task."""
        try:
            row = self._booth.example(key or "")
        except SuiteError as error:
            told = pages.render("answer", text=str(error), tone="bad")
            return [*(gr.skip() for _ in self._parts), told]
        values = [gr.update(value=row[name]) if name in row else gr.skip() for name in TEXTS]
        content = row.get("image")
        shown = limits.open_picture(content) if isinstance(content, bytes) else gr.skip()
        return [*values, shown, ""]


def _path(payload: ImageData | None) -> str | None:
    """Return the path of the file that was uploaded; Gradio has seen to it that it lies among uploads."""
    return payload.path if payload else None


def _content(path: Path) -> bytes:
    """Return an uploaded picture's bytes.

    Raises:
        SuiteError: it is too large.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SuiteError(f"The picture has {size / 1e6:.0f} MB; up to {MOST_BYTES // 1_000_000} MB are read.")
    return path.read_bytes()
