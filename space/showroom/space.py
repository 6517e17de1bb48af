"""The whole page: tabs, looks, and how it is served."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from showroom import library, pages
from showroom.booth import MOST_BYTES, Booth
from showroom.desk import Desk
from showroom.shelf import Shelf, Snapshot
from showroom.tabs import QUICK
from showroom.tabs.compare import Compare
from showroom.tabs.demo import Demo
from showroom.tabs.explore import Explore
from showroom.tabs.leaderboard import Leaderboard
from showroom.tabs.library import Library
from showroom.tabs.submit import Submit
from suite.evidence.words import counted
from suite.spec import SuiteError
from suite.submissions import Gate

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "results"
THREADS = 12
"""That answer at once: Python runs one at a time, and each keeps memory of its own."""

QUEUE = "./results"
"""The store whose queue is used where no store is named: the default of every command."""

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "Liberation Sans", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]
TABS = ("leaderboard", "compare", "explore", "tasks", "demo", "submit")


@dataclass(frozen=True)
class Settings:
    """What the Space is started with: the store, whether to ask the network, and how often a visitor may submit."""

    store: str | None
    offline: bool = False
    gate: Gate = field(default_factory=Gate)

    @staticmethod
    def of_environment(store: str | None = None, offline: bool = False) -> Settings:
        """Return what is asked for, else what the environment says, else what the repository of a Space does.

        Raises:
            SuiteError: a number in the environment is none.
        """
        told = ROOT / "store.txt"
        named = store or os.environ.get("SUITE_STORE") or (told.read_text().strip() if told.is_file() else None)
        gate = Gate(_number("SUITE_TRIES", 20), _number("SUITE_SUBMISSIONS", 5))
        return Settings(named or None, offline or os.environ.get("HF_HUB_OFFLINE") == "1", gate)


def _number(name: str, usual: int) -> int:
    text = os.environ.get(name, str(usual))
    if not text.isdecimal():
        raise SuiteError(f"{name} is '{text}'; expected a whole number.")
    return int(text)


def build(settings: Settings) -> gr.Blocks:
    """Return the page over a store, or over the bundled results where none is named.

    Raises:
        SuiteError: the store cannot be opened.
    """
    shelf = Shelf(settings.store or str(BUNDLED))
    desk = Desk(settings.store or QUEUE, settings.gate, settings.offline)
    threading.Thread(target=_warm, args=(shelf,), daemon=True).start()
    with gr.Blocks(title="Transfer Suite", analytics_enabled=False) as page:
        gr.HTML(pages.render("head", facts=_facts(shelf.now)), apply_default_css=False, elem_classes="shop")
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Leaderboard", id="leaderboard"):
                board = Leaderboard(shelf)
            with gr.Tab("Compare", id="compare"):
                pairs = Compare(shelf)
            with gr.Tab("Explore", id="explore") as tab:
                Explore(shelf, tab)
            with gr.Tab("Tasks", id="tasks") as tab:
                Library(shelf, tab)
            with gr.Tab("Demo", id="demo") as tab:
                Demo(Booth(shelf), tab)
            with gr.Tab("Submit", id="submit") as tab:
                Submit(desk, tab)
        _restore(page, tabs, board, pairs)
    return page


def _restore(page: gr.Blocks, tabs: gr.Tabs, board: Leaderboard, pairs: Compare) -> None:
    """Let a link open the view that it tells; without one the page is as it was built."""
    query = gr.Textbox("", visible=False)

    def opened(text: str) -> list[Any]:
        told = {name: values for name, values in parse_qs(text.lstrip("?")[:4000]).items() if not name.startswith("__")}
        tab, words = told.get("tab", [""])[-1], told.get("with", [])
        first = board.restore(text) if told else [gr.skip()] * len(board.outputs)
        second = pairs.restore(words, told.get("protocol", [""])[-1]) if words else [gr.skip()] * len(pairs.outputs)
        return [gr.update(selected=tab) if tab in TABS else gr.skip(), *first, *second]

    outputs = [tabs, *board.outputs, *pairs.outputs]
    page.load(opened, query, outputs, js="() => [window.location.search]", **QUICK)


def _facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the few numbers at the top."""
    heads = [entry.head for entry in snapshot.entries]
    if not heads:
        return []
    models = len({(line.row.model, line.row.revision) for s in snapshot.boards().sections for line in s.lines})
    days = max(head.created[:10] for head in heads)
    named = ((len(heads), "record"), (models, "checkpoint"), (len(snapshot.tasks), "task"))
    counts = [tuple(counted(n, noun).split(" ", 1)) for n, noun in named]
    return [*((n, word) for n, word in counts), (days, "newest run")]


def theme() -> gr.themes.Base:
    """Return the looks of Gradio's own parts: fonts of the visitor's machine, colours of our style sheet."""
    plain = gr.themes.Base(font=FONTS, font_mono=MONO, text_size="md", radius_size="sm", spacing_size="md")
    light, dark = _LIGHT, _DARK
    both = {f"{name}{end}": value for end, values in (("", light), ("_dark", dark)) for name, value in values.items()}
    return plain.set(block_border_width="0px", block_padding="0px", input_border_width="1px", **both)


_LIGHT = {
    "body_background_fill": "#ffffff",
    "body_text_color": "#1a1f26",
    "body_text_color_subdued": "#58616d",
    "background_fill_primary": "#ffffff",
    "background_fill_secondary": "#f1f4f7",
    "block_background_fill": "#ffffff",
    "block_label_background_fill": "#ffffff",
    "block_label_text_color": "#58616d",
    "block_title_text_color": "#58616d",
    "block_info_text_color": "#58616d",
    "border_color_primary": "#d3d8de",
    "border_color_accent": "#0b5cab",
    "input_background_fill": "#ffffff",
    "input_border_color": "#aab3bd",
    "input_border_color_focus": "#0b5cab",
    "input_placeholder_color": "#6b7480",
    "color_accent_soft": "#f1f4f7",
    "checkbox_label_background_fill": "#ffffff",
    "checkbox_label_background_fill_selected": "#f1f4f7",
    "checkbox_label_border_color": "#d3d8de",
    "checkbox_background_color": "#ffffff",
    "checkbox_background_color_selected": "#0b5cab",
    "button_primary_background_fill": "#0b5cab",
    "button_primary_background_fill_hover": "#094a8a",
    "button_primary_border_color": "#0b5cab",
    "button_primary_text_color": "#ffffff",
    "button_secondary_background_fill": "#f1f4f7",
    "button_secondary_background_fill_hover": "#e3e8ed",
    "button_secondary_border_color": "#d3d8de",
    "button_secondary_text_color": "#1a1f26",
    "link_text_color": "#0b5cab",
}
_DARK = {
    "body_background_fill": "#14181d",
    "body_text_color": "#e8ebef",
    "body_text_color_subdued": "#a6b0bb",
    "background_fill_primary": "#14181d",
    "background_fill_secondary": "#1e242b",
    "block_background_fill": "#14181d",
    "block_label_background_fill": "#14181d",
    "block_label_text_color": "#a6b0bb",
    "block_title_text_color": "#a6b0bb",
    "block_info_text_color": "#a6b0bb",
    "border_color_primary": "#3a424c",
    "border_color_accent": "#79b8ff",
    "input_background_fill": "#1e242b",
    "input_border_color": "#4d5864",
    "input_border_color_focus": "#79b8ff",
    "input_placeholder_color": "#8d98a4",
    "color_accent_soft": "#1e242b",
    "checkbox_label_background_fill": "#14181d",
    "checkbox_label_background_fill_selected": "#1e242b",
    "checkbox_label_border_color": "#3a424c",
    "checkbox_background_color": "#14181d",
    "checkbox_background_color_selected": "#79b8ff",
    "button_primary_background_fill": "#79b8ff",
    "button_primary_background_fill_hover": "#9cc9ff",
    "button_primary_border_color": "#79b8ff",
    "button_primary_text_color": "#10151a",
    "button_secondary_background_fill": "#1e242b",
    "button_secondary_background_fill_hover": "#2a323b",
    "button_secondary_border_color": "#3a424c",
    "button_secondary_text_color": "#e8ebef",
    "link_text_color": "#79b8ff",
}
"""Gradio's names for what style.css calls page, ink, muted, rule, band and accent."""


def launch(settings: Settings, host: str | None = None, port: int | None = None) -> None:
    """Serve the page until it is stopped.

    Raises:
        SuiteError: the store cannot be opened, or something else listens there.
    """
    page = build(settings)
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            theme=theme(),
            css=pages.style(),
            head=f"<script>{pages.script()}</script>",
            prevent_thread_lock=True,
            footer_links=[],
            ssr_mode=False,
            share=False,
            max_threads=THREADS,
            max_file_size=MOST_BYTES,
            quiet=True,
            show_error=False,
            run_history=False,
            mcp_server=False,
            enable_monitoring=False,
        )
    except OSError as error:
        raise SuiteError(f"The Space cannot be served: {error}") from None
    sys.stdout.write(f"The Space is at {address} - Ctrl-C stops it.\n")
    sys.stdout.flush()
    page.block_thread()


def _warm(shelf: Shelf) -> None:
    """Make what visitors are likely to ask for, one after the other, so that nobody waits for it."""
    snapshot = shelf.now
    for collection in snapshot.collections:
        snapshot.boards(collection.name)
        time.sleep(0.05)
    snapshot.names()
    library.html(snapshot)
