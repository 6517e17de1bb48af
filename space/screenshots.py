"""Take a picture of every tab of the Space, wide and narrow, light and dark.

    python space/screenshots.py --out /tmp/pictures [--store ./results]
    python space/screenshots.py --picture docs/space.png     the one in the README

It serves the Space itself and looks at it with playwright and Chromium (apt-get install chromium).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
HERE = Path(__file__).resolve().parent
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}
SETTLED = 700
"""Milliseconds after which nothing moves any more."""


@contextlib.contextmanager
def served(store: str | None) -> Iterator[str]:
    """Serve the Space and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "GRADIO_SERVER_PORT": str(port)}
    environment |= {"SUITE_STORE": str(Path(store).resolve())} if store else {}
    command = [sys.executable, str(HERE / "app.py")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


def leaderboard(page: Any) -> None:
    """Show the board as it opens."""
    page.wait_for_selector("#board tbody tr")


def row(page: Any) -> None:
    """Open the first row."""
    page.locator("#board tbody .name button").first.click()
    page.wait_for_selector(".drawer.open #sheet h2")


def compare(page: Any) -> None:
    """Compare the first checkpoint of the board with the next other one, by a link."""
    names = list(dict.fromkeys(page.locator("#board tbody .name button").all_inner_texts()))
    page.goto(
        f"{page.url.partition('?')[0]}?{urlencode([('tab', 'compare'), *(('with', name) for name in names[:2])])}"
    )
    page.wait_for_selector("#comparison .pair, #comparison .empty")


def examples(page: Any) -> None:
    """Show examples on which the two disagree."""
    compare(page)
    page.click("#cp-examples")
    page.wait_for_selector("#disagreements .example")
    page.locator("#disagreements").scroll_into_view_if_needed()


def explore(page: Any) -> None:
    """Draw the figures."""
    _tab(page, "Explore")
    page.wait_for_selector("#figures .ranks, #figures .empty")


def tasks(page: Any) -> None:
    """List the tasks."""
    _tab(page, "Tasks")
    page.wait_for_selector("#tasks tbody tr")


def task(page: Any) -> None:
    """Open a task with its examples."""
    tasks(page)
    page.locator("#tasks button[data-task]").first.click()
    page.wait_for_selector(".drawer.open #task h2")
    page.click("#ts-examples")
    page.wait_for_selector("#specimens .example, #specimens .quiet")


def demo(page: Any) -> None:
    """Ask the first kept model that marks words, or the first of all."""
    _tab(page, "Demo")
    if page.locator("#dm-model").count() == 0:
        return
    page.click("#dm-model input")
    words = page.get_by_role("option").all_inner_texts()
    word = next((one for one in words if "entities" in one), words[0])
    page.fill("#dm-model input", word)
    page.get_by_role("option", name=word).first.click()
    page.wait_for_timeout(SETTLED)
    page.click("#dm-fill")
    page.wait_for_timeout(4 * SETTLED)
    if "entities" in word:
        page.fill("#dm-tokens textarea", "Marie Curie, a physicist who worked in Paris, was born in Warsaw, Poland.")
    page.click("#dm-ask")
    page.wait_for_selector("#dm-answer .answered, #dm-answer .answer", timeout=120_000)


def submit(page: Any) -> None:
    """Show the desk."""
    _tab(page, "Submit")
    page.wait_for_selector("#queue .quiet")


def _tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).click()


SCENES: tuple[Callable[[Any], None], ...] = (
    leaderboard,
    row,
    compare,
    examples,
    explore,
    tasks,
    task,
    demo,
    submit,
)


def take(browser: Any, url: str, scene: Callable[[Any], None], size: str, scheme: str) -> bytes:
    """Return one picture as PNG: the whole page, or what a drawer leaves of it."""
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, device_scale_factor=1)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#board .lead, #board .empty")
    page.wait_for_timeout(SETTLED)
    scene(page)
    page.wait_for_timeout(SETTLED)
    drawn = page.locator(".drawer.open").count() > 0
    content: bytes = page.screenshot(full_page=not drawn)
    context.close()
    return content


def small(content: bytes) -> bytes:
    """Return a picture in 128 colours, which is a third of its bytes."""
    from PIL import Image

    stream = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(
        stream, "PNG", optimize=True
    )
    return stream.getvalue()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="A folder for all of them.")
    parser.add_argument("--picture", type=Path, help="A file for the one of the leaderboard.")
    parser.add_argument("--store", help="A folder of results; by default the bundled ones.")
    options = parser.parse_args()
    where: dict[str, Any] = {"executable_path": str(CHROMIUM)} if CHROMIUM.exists() else {}
    with served(options.store) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=["--no-sandbox"], **where)
        if options.picture:
            options.picture.write_bytes(small(take(browser, url, leaderboard, "wide", "light")))
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            for scene in SCENES:
                for size in SIZES:
                    for scheme in ("light", "dark"):
                        path = options.out / f"{scene.__name__}-{size}-{scheme}.png"
                        path.write_bytes(take(browser, url, scene, size, scheme))
        browser.close()


if __name__ == "__main__":
    main()
