"""The whole page: tabs, looks, and how it is served."""

from __future__ import annotations

import ctypes
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
from showroom.tabs import QUICK, looks
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

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""

QUEUE = "./results"
"""The store whose queue is used where no store is named: the default of every command."""

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


def build(settings: Settings, shelf: Shelf) -> gr.Blocks:
    """Return the page over what a shelf holds.

    Raises:
        SuiteError: the queue cannot be opened.
    """
    desk = Desk(settings.store or QUEUE, settings.gate, settings.offline)
    with gr.Blocks(title="Transfer Suite", analytics_enabled=False) as page:
        gr.HTML(pages.render("head", facts=_facts(shelf.now)), apply_default_css=False, elem_classes="shop")
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Leaderboard", id="leaderboard") as tab:
                board = Leaderboard(shelf, tab)
            with gr.Tab("Compare", id="compare") as tab:
                pairs = Compare(shelf, tab)
            with gr.Tab("Explore", id="explore") as tab:
                figures = Explore(shelf, tab)
            for name, made in (
                ("Tasks", lambda tab: Library(shelf, tab)),
                ("Demo", lambda tab: Demo(Booth(shelf), tab)),
                ("Submit", lambda tab: Submit(desk, tab)),
            ):
                with gr.Tab(name, id=name.lower()) as tab:
                    made(tab)
                tab.select(None, None, None, js=f"() => shop.tell('tab={name.lower()}')", **QUICK)
        _restore(page, tabs, board, pairs, figures)
    return page


def _restore(page: gr.Blocks, tabs: gr.Tabs, board: Leaderboard, pairs: Compare, figures: Explore) -> None:
    """Let a link open the view that it tells; without one the page is as it was built."""
    query = gr.Textbox("", visible=False)

    def opened(text: str) -> list[Any]:
        told = {name: values for name, values in parse_qs(text.lstrip("?")[:4000]).items() if not name.startswith("__")}
        tab, words = told.get("tab", [""])[-1], told.get("with", [])
        first = board.restore(text) if told and tab in ("", "leaderboard") else [gr.skip()] * len(board.outputs)
        second = pairs.restore(words, told.get("protocol", [""])[-1]) if words else [gr.skip()] * len(pairs.outputs)
        third = figures.restore(text) if tab == "explore" else [gr.skip()] * len(figures.outputs)
        return [gr.update(selected=tab) if tab in TABS else gr.skip(), *first, *second, *third]

    outputs = [tabs, *board.outputs, *pairs.outputs, *figures.outputs]
    loaded = page.load(opened, query, outputs, js="() => [shop.asked]", **QUICK)
    loaded.then(None, None, None, js="() => { shop.opened = true; }", **QUICK)


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


def launch(settings: Settings, host: str | None = None, port: int | None = None) -> None:
    """Serve the page until it is stopped.

    Raises:
        SuiteError: the store cannot be opened, or something else listens there.
    """
    _share_memory()
    shelf = Shelf(settings.store or str(BUNDLED))
    page = build(settings, shelf)
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            theme=looks.theme(),
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
    threading.Thread(target=_warm, args=(shelf,), daemon=True).start()
    page.block_thread()


def _share_memory() -> None:
    """Let threads share what they have freed: glibc keeps an arena of it for each of them otherwise."""
    try:
        ctypes.CDLL("libc.so.6").mallopt(_ARENA_MAX, 2)
    except (OSError, AttributeError):  # another libc, which keeps none
        return


def _warm(shelf: Shelf) -> None:
    """Make what visitors are likely to ask for, one after the other, so that nobody waits for it."""
    snapshot = shelf.now
    for collection in snapshot.collections:
        snapshot.boards(collection.name)
        time.sleep(0.05)
    snapshot.names(next(iter(snapshot.protocols), ""))
    library.html(snapshot)
