"""The Space in a real browser: every tab, hostile names, no errors in its console and no word to another host."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_runs import kept_runs
from made_records import grid, made

from suite import data, kinds, tasks
from suite.store import Store

sync = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
expect = sync.expect

pytestmark = pytest.mark.slow

SUITE = "from suite.cli import main; main()"
CHROMIUM = Path("/usr/bin/chromium")
SKILLS = {"org/alpha": 0.9, "org/beta": 0.72, "org/gamma": 0.71}
SCRIPT = 'org/<img src=x onerror="window.pwned=1">'
CLOSED = '"><script>window.pwned=2</script>'
TEMPLATE = "org/${window.pwned=3}{{pwned}}"
LINK = "[org](javascript:window.pwned=4)"
HOSTILE = (SCRIPT, CLOSED, TEMPLATE, LINK)
SECONDS = 20_000
"""Milliseconds that a page may take here: the machine may have much else to do."""


# -- the server --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """A Space that runs: where it is, its process, its store, and how long it took to start."""

    url: str
    process: subprocess.Popen[str]
    store: Path
    seconds: float

    @property
    def megabytes(self) -> int:
        """Memory that is resident now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1000 for line in lines if line.startswith("VmRSS"))

    def has_torch(self) -> bool:
        """Return whether the process has loaded torch."""
        return "libtorch" in Path(f"/proc/{self.process.pid}/maps").read_text()


@contextlib.contextmanager
def served(store: Path, **environment: str) -> Iterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SUITE, "space", "--store", str(store), "--port", str(port), "--offline"]
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=store.parent,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line == f"The Space is at http://127.0.0.1:{port}/ - Ctrl-C stops it.\n", (
                line + process.stdout.read()
            )
            yield Served(f"http://127.0.0.1:{port}/", process, store, time.monotonic() - started)
        finally:
            process.terminate()


def digits() -> list[Any]:
    """Results on real pictures: alpha is right, beta wrong about a third of them."""
    task = kinds.get("image_classification").complete(tasks.load("digits")[0])
    rows = data.load(task, tasks.local_files(task), {}).test
    fields = {name: getattr(task, name) for name in ("version", "kind", "dataset", "columns", "splits", "delta")}
    labels = [str(label) for label in rows.columns["label"]]
    results = []
    for model, every in (("org/alpha", 1), ("org/beta", 3)):
        right = np.array([every == 1 or place % every > 0 for place in range(len(rows))])
        said = [label if ok else "seven?" for label, ok in zip(labels, right, strict=True)]
        columns = {"id": rows.ids, "label": labels, "prediction": said}
        results += [
            made(model, "digits", right.astype(float), seed=seed, task_fields=fields, columns=columns)
            for seed in (0, 1)
        ]
    return results


@pytest.fixture(scope="module")
def space(
    tiny_bert: Path, tiny_resnet: Path, tiny_protocol: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A Space over made rows with hostile names, real pictures, and kept weights of every kind."""
    folder = tmp_path_factory.mktemp("served") / "store"
    shutil.copytree(kept_runs(tiny_bert, tiny_resnet, tiny_protocol).store.url, folder)
    store = Store(str(folder))
    skills = SKILLS | {name: 0.6 - i / 20 for i, name in enumerate(HOSTILE)}
    described = {"description": CLOSED}
    for result in [
        *grid(skills, ["t1", "t2"], n=80, task_fields=described),
        *grid(SKILLS, ["t1", "t2"], n=80, strategy="lora", task_fields=described),
        *grid({"org/delta": 0.8}, ["t1"], n=80, task_fields=described),
        *digits(),
    ]:
        store.put(result)
    store.contents()
    with served(folder, SUITE_TRIES="6") as running:
        yield running


# -- the browser -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync.sync_playwright() as playwright:
        where = {"executable_path": str(CHROMIUM)} if CHROMIUM.exists() else {}
        try:
            running = playwright.chromium.launch(args=["--no-sandbox"], **where)
        except sync.Error as error:
            pytest.skip(f"no Chromium (apt-get install chromium, or playwright install chromium): {error}")
        yield running
        running.close()


@pytest.fixture
def visit(browser: Any, space: Served) -> Iterator[Callable[..., Any]]:
    """Return what opens the Space; at the end nothing went wrong in it, and no other host was asked."""
    contexts, wrong, asked = [], [], []

    def open_page(query: str = "", base: str = space.url, **how: Any) -> Any:
        context = browser.new_context(accept_downloads=True, **how)
        context.set_default_timeout(SECONDS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(base + query)
        board = page.locator("#board .lead, #board .empty").first  # hidden where a link opens another tab
        expect(board).to_be_attached(timeout=SECONDS)
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.pwned") is None
        context.close()
    assert not wrong
    assert not [url for url in asked if not url.startswith((space.url, "data:", "blob:", "http://127.0.0.1"))]


def go(page: Any, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()


def pick(page: Any, element: str, *words: str) -> None:
    """Choose in a dropdown by typing."""
    for word in words:
        page.click(f"#{element} input")
        page.fill(f"#{element} input", word)
        page.get_by_role("option", name=word).first.click()
    page.keyboard.press("Escape")


def names(page: Any) -> list[str]:
    return page.locator("#board tbody .name button").all_inner_texts()


def choose(page: Any, model: str, field: str) -> None:
    """Choose a kept model in the demo, and wait until its form has followed: the button comes back last."""
    pick(page, "dm-model", model)
    expect(page.locator(f"#dm-{field}")).to_be_visible()
    expect(page.locator("#dm-ask")).to_be_enabled()


# -- the leaderboard ---------------------------------------------------------------------------------------------------


def test_the_board_opens_with_all_its_tabs_and_without_torch(visit: Any, space: Served) -> None:
    page = visit()
    assert page.title() == "Transfer Suite"
    tabs = ["Leaderboard", "Compare", "Explore", "Tasks", "Demo", "Submit"]
    assert [tab for tab in page.get_by_role("tab").all_inner_texts() if tab] == tabs
    assert names(page)[0] == "org/alpha"
    expect(page.locator("#board .reach").first).to_be_visible()  # intervals
    assert page.locator("#board tr.provisional .name").all_inner_texts()[0].startswith("org/delta")
    assert page.locator("#board .place").all_inner_texts().count("?") >= 1
    assert any(text.startswith("=") for text in page.locator("#board .place").all_inner_texts())
    assert not space.has_torch()


def test_names_of_strangers_are_text(visit: Any) -> None:
    page = visit()
    found = names(page)
    for name in HOSTILE:
        assert name in found
    page.get_by_role("button", name=SCRIPT).first.click()
    expect(page.locator("#sheet h2")).to_have_text(SCRIPT)
    page.get_by_text("Model card").click()
    expect(page.locator("#card h1")).to_contain_text("img src=x")
    assert page.locator("#card img, #card script, #sheet img, #board img").count() == 0
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).not_to_be_visible()
    assert page.locator("a[href^='javascript']").count() == 0


def test_search_filters_and_sorting_answer_and_a_link_brings_them_back(visit: Any) -> None:
    page = visit()
    page.fill("#lb-search textarea", "gamma lora")
    expect(page.locator("#board tbody tr")).to_have_count(1)
    page.fill("#lb-search textarea", "")
    expect(page.locator("#board tbody tr")).to_have_count(len(SKILLS) * 2 + len(HOSTILE) + 1)
    pick(page, "lb-strategies", "lora")
    expect(page.locator("#board tbody tr")).to_have_count(len(SKILLS))
    page.click("#board [data-sort='task.t2']")
    expect(page.locator("#board th[aria-sort]")).to_have_attribute("aria-sort", "descending")
    page.click("#board [data-sort='task.t2']")
    expect(page.locator("#board th[aria-sort]")).to_have_attribute("aria-sort", "ascending")
    scores = [float(text) for text in page.locator("#board td.task:nth-child(5) .value").all_inner_texts()]
    assert scores == sorted(scores)
    expect(page).to_have_url(re.compile(r"\?(?=.*strategy=lora)(?=.*sort=-task\.t2)"))
    again = visit(page.url.partition("/?")[2] and "?" + page.url.partition("?")[2])
    expect(again.locator("#board tbody tr")).to_have_count(len(SKILLS))
    expect(again.locator("#board th[aria-sort]")).to_have_attribute("aria-sort", "ascending")
    assert names(again) == names(page)


def test_another_board_and_protocol_are_a_click_away(visit: Any) -> None:
    page = visit()
    page.get_by_label("Image tasks").check()
    expect(page.locator("#board thead")).to_contain_text("digits")
    expect(page).to_have_url(re.compile(r"[?&]board=image-tasks"))
    pick(page, "lb-protocol", "tiny")
    expect(page.locator("#board .quiet").first).to_contain_text("Protocol tiny v1")
    page.get_by_label("Text tasks").check()
    expect(page.locator("#board thead")).to_contain_text("token-classification")
    nowhere = visit("?board=none&sort=%3Cscript%3E&search=%22%3E%3Cscript%3Ewindow.pwned=9%3C/script%3E")
    expect(nowhere.locator("#board .empty")).to_contain_text("No row fits")


def test_a_row_opens_its_sheet_and_card_and_what_is_shown_can_be_taken_away(visit: Any) -> None:
    page = visit()
    page.locator("#board tbody tr").first.locator("td.mean").click()
    expect(page.locator("#drawer")).to_be_visible()
    expect(page.locator("#sheet")).to_contain_text("suite run -m org/alpha@")
    expect(page.locator("#sheet")).to_contain_text("rank 1 of")
    page.get_by_text("Model card").click()
    expect(page.locator("#card h1")).to_contain_text("org/alpha")
    with page.expect_download() as card:
        page.get_by_role("button", name="Download this card").click()
    assert Path(card.value.path()).read_text().startswith("---\n")
    page.locator("#drawer .close").click()
    expect(page.locator("#drawer")).not_to_be_visible()
    page.fill("#lb-search textarea", "org/beta")
    expect(page.locator("#board tbody tr")).to_have_count(2)
    with page.expect_download() as table:
        page.click("#lb-save")
    rows = list(csv.DictReader(io.StringIO(Path(table.value.path()).read_text())))
    assert {row["model"] for row in rows} == {"org/beta"}
    assert table.value.suggested_filename == "leaderboard.csv"


def test_the_board_can_be_worked_with_the_keyboard(visit: Any) -> None:
    page = visit()
    page.locator("#board [data-sort='name']").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#board th.name[aria-sort]")).to_be_visible()
    page.locator("#board tbody .name button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_be_visible()
    expect(page.locator("#drawer .close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).not_to_be_visible()


# -- compare, explore, tasks -------------------------------------------------------------------------------------------


def test_two_checkpoints_are_compared_in_words_and_pictures(visit: Any) -> None:
    page = visit()
    go(page, "Compare")
    pick(page, "cp-rows", "org/alpha · full", "org/beta · full")
    expect(page.locator("#comparison .words")).to_contain_text("Different: A is better than B by")
    expect(page.locator("#comparison .differences tbody tr")).to_have_count(4)  # two texts, pictures, all of them
    page.click("#cp-examples")
    expect(page.locator("#disagreements img").first).to_be_visible()
    expect(page.locator("#disagreements")).to_contain_text("seven?")
    expect(page.locator("#disagreements")).to_contain_text("not on this machine")
    expect(page).to_have_url(re.compile(r"[?&]tab=compare&"))
    again = visit("?" + page.url.partition("?")[2])
    expect(again.locator("#comparison .words")).to_contain_text("Different: A is better")
    expect(again.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")


def test_hostile_rows_are_compared_as_text(visit: Any) -> None:
    page = visit()
    go(page, "Compare")
    pick(page, "cp-rows", f"{SCRIPT} · full", f"{CLOSED} · full")
    expect(page.locator("#comparison h3")).to_contain_text(SCRIPT)
    assert page.locator("#comparison img, #comparison script").count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_figures_read_in_the_light_and_in_the_dark_wide_and_narrow(scheme: str, width: int, visit: Any) -> None:
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 844})
    for tab, ready in (
        ("Leaderboard", "#board tbody tr"),
        ("Explore", "#figures .ranks"),
        ("Tasks", "#tasks tbody tr"),
        ("Submit", "#queue .quiet"),
    ):
        go(page, tab)
        expect(page.locator(ready).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), tab  # nothing sticks out
    go(page, "Explore")
    assert page.locator("#figures h2").count() == 4
    assert page.locator("#figures .scatters figure").count() == 3  # parameters trained, in all, seconds
    point = page.locator("#figures .point").first
    point.focus()
    expect(point.locator(".tip")).to_be_visible()
    ink, paper = (
        page.evaluate("(of) => getComputedStyle(document.querySelector('#figures h2'))[of]", "color"),
        page.evaluate("() => getComputedStyle(document.body).backgroundColor"),
    )
    assert contrast(ink, paper) > 7
    quiet = page.evaluate("() => getComputedStyle(document.querySelector('#figures .quiet')).color")
    assert contrast(quiet, paper) > 4.5


def contrast(one: str, other: str) -> float:
    """Return WCAG's contrast of two CSS colours."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((light(one), light(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_figures_are_brought_back_by_a_link(visit: Any) -> None:
    page = visit()
    go(page, "Explore")
    expect(page.locator("#figures .ranks")).to_be_visible()
    pick(page, "ex-strategies", "lora")
    expect(page.locator("#figures .quiet").first).to_contain_text(f"Text tasks, {len(SKILLS)} rows.")
    expect(page).to_have_url(re.compile(r"\?tab=explore&strategy=lora$"))
    go(page, "Leaderboard")
    expect(page).to_have_url(re.compile(r"/$"))
    go(page, "Explore")
    expect(page).to_have_url(re.compile(r"\?tab=explore&strategy=lora$"))
    again = visit("?" + page.url.partition("?")[2])
    expect(again.locator("#figures .quiet").first).to_contain_text(f"Text tasks, {len(SKILLS)} rows.")
    expect(again.locator("#ex-strategies")).to_contain_text("lora")
    expect(again).to_have_url(page.url)
    go(page, "Tasks")
    expect(page).to_have_url(re.compile(r"\?tab=tasks$"))


def test_a_task_opens_with_its_pins_and_examples(visit: Any) -> None:
    page = visit()
    go(page, "Tasks")
    expect(page.locator("#tasks")).to_contain_text(CLOSED)  # a description by a stranger
    page.locator("#tasks [data-task='digits']").first.click()
    expect(page.locator("#task h2")).to_contain_text("digits")
    expect(page.locator("#task")).to_contain_text("guessing gives")
    expect(page.locator("#task .strip tbody tr")).to_have_count(2)
    page.click("#ts-examples")
    expect(page.locator("#specimens img")).to_have_count(6)
    page.keyboard.press("Escape")
    page.locator("#tasks [data-task='sst2']").first.click()
    expect(page.locator("#task")).to_contain_text("No record yet")
    expect(page.locator("#ts-examples")).not_to_be_visible()


def test_all_that_only_reads_takes_less_than_400_megabytes(space: Served) -> None:
    """After all of the above, and before the first question to the demo."""
    assert not space.has_torch()
    assert space.megabytes < 400


# -- the demo ----------------------------------------------------------------------------------------------------------

UNMARKED = """
(element) => [...element.childNodes]
  .map((node) => (node.nodeName === 'MARK' ? node.firstChild : node).textContent).join('')
"""
"""A text without the labels of what is marked in it."""


def test_the_demo_answers_on_texts(visit: Any, space: Served) -> None:
    page = visit()
    go(page, "Demo")
    choose(page, "text-classification · tiny-bert · full", "text")  # before, a picture is asked for
    page.click("#dm-ask")
    expect(page.locator("#dm-answer")).to_contain_text("there is nothing to read")
    page.fill("#dm-text textarea", "a lovely day in the town")
    page.click("#dm-ask")
    expect(page.locator("#dm-answer .labels tr")).to_have_count(2, timeout=120_000)  # torch is loaded now
    expect(page.locator("#dm-answer")).to_contain_text(re.compile(r"full answered in .*; loading the weights"))
    shares = [float(text.rstrip("%")) for text in page.locator("#dm-answer .number").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert space.has_torch()
    choose(page, "question-answering · tiny-bert · full", "question")
    expect(page.locator("#dm-text")).not_to_be_visible()
    page.fill("#dm-question textarea", "it was")
    page.fill("#dm-context textarea", "the weather in the town was lovely <img src=x onerror=window.pwned=5>")
    page.click("#dm-ask")
    expect(page.locator("#dm-answer .lead")).to_be_visible()
    choose(page, "multiple-choice · tiny-bert · full", "choices")
    page.fill("#dm-text textarea", "a day")
    page.fill("#dm-choices textarea", "warm\ncold\nmore")
    page.click("#dm-ask")
    expect(page.locator("#dm-answer")).to_contain_text("trained on 2 a row")


def test_nothing_is_asked_of_a_form_that_is_still_following_the_choice(visit: Any, space: Served) -> None:
    page = visit()
    go(page, "Demo")
    pick(page, "dm-model", "question-answering · tiny-bert · full")
    expect(page.locator("#dm-question")).to_be_visible()
    held: list[Any] = []
    page.route(
        "**/gradio_api/run/predict**", lambda route: held.append(route)
    )  # the answer to the next choice stays away
    pick(page, "dm-model", "token-classification · tiny-bert · full")
    expect(page.locator("#dm-ask")).to_be_disabled()
    expect(page.locator("#dm-fill")).to_be_disabled()
    for route in held:
        route.continue_()
    page.unroute("**/gradio_api/run/predict**")
    expect(page.locator("#dm-tokens")).to_be_visible()
    expect(page.locator("#dm-ask")).to_be_enabled()
    keys = kept_models(space)
    first, other = (keys[f"{task} · tiny-bert · full"] for task in ("question-answering", "text-classification"))
    sent = [first, other, "words", None, None, "it was", "a lovely day", None, None]
    assert "The form was still following your choice of a model; ask again." in asked(space, sent)


def test_words_are_marked_where_they_stand(visit: Any) -> None:
    page = visit()
    go(page, "Demo")
    choose(page, "token-classification · tiny-bert · full", "tokens")
    text = "<b>the weather</b> was lovely in the town"
    page.fill("#dm-tokens textarea", text)
    page.click("#dm-ask")
    expect(page.locator("#dm-answer .marked")).to_be_visible(timeout=120_000)
    shown = page.locator("#dm-answer .marked").evaluate(UNMARKED)
    assert shown.strip() == text
    assert page.locator("#dm-answer b").count() == 0


def test_the_demo_answers_on_a_picture_and_refuses_what_is_none(visit: Any, tmp_path: Path) -> None:
    from PIL import Image

    page = visit()
    go(page, "Demo")
    choose(page, "image-classification · tiny-resnet · full", "image")
    page.click("#dm-ask")
    expect(page.locator("#dm-answer")).to_contain_text("Choose a picture first")
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "red.png")
    page.set_input_files("#dm-image input[type=file]", tmp_path / "red.png")
    expect(page.locator("#dm-image img")).to_be_visible()
    page.click("#dm-ask")
    expect(page.locator("#dm-answer .labels tr")).to_have_count(3, timeout=120_000)
    (tmp_path / "torn.png").write_bytes((tmp_path / "red.png").read_bytes()[:60])
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    page.set_input_files("#dm-image input[type=file]", tmp_path / "torn.png")
    expect(page.locator("#dm-image img")).to_be_attached()
    page.click("#dm-ask")
    expect(page.locator("#dm-answer")).to_contain_text("is no usable picture")


def config_of(space: Served) -> dict[str, Any]:
    """Return what the page says of its parts and events."""
    page = urllib.request.urlopen(space.url).read().decode()
    config: dict[str, Any] = json.loads(page.split("window.gradio_config = ", 1)[1].split(";</script>", 1)[0])
    return config


def kept_models(space: Served) -> dict[str, str]:
    """Return the keys of what can be asked, by what a visitor reads of them."""
    (model,) = (part for part in config_of(space)["components"] if part["props"].get("elem_id") == "dm-model")
    return dict(model["props"]["choices"])


def asked(space: Served, sent: list[Any]) -> str:
    """Ask the demo around the page and return its answer."""
    config, session = config_of(space), f"s{time.monotonic_ns()}"
    (ask,) = (part["id"] for part in config["components"] if part["props"].get("elem_id") == "dm-ask")
    (event,) = (one for one in config["dependencies"] if [ask, "click"] in one["targets"])
    body = {"data": sent, "fn_index": event["id"], "trigger_id": ask, "session_hash": session}
    request = urllib.request.Request(
        f"{space.url}gradio_api/queue/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    assert b"event_id" in urllib.request.urlopen(request).read()
    with urllib.request.urlopen(f"{space.url}gradio_api/queue/data?session_hash={session}", timeout=60) as stream:
        return next(line.decode() for line in stream if b"process_completed" in line)


def test_a_text_of_a_megabyte_and_a_large_picture_are_refused(space: Served) -> None:
    """The page itself takes no more than it reads; whoever goes around it is told the same."""
    key = kept_models(space)["text-classification · tiny-bert · full"]
    sent = [key, key, "a " * 500_000, None, None, None, None, None, None]
    assert "1,000,000 characters; at most 20,000 are read here" in asked(space, sent)
    boundary = b"x" * 20
    content = b"--" + boundary + b'\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    content += b"\x89PNG" + b"\x00" * 50_000_000 + b"\r\n--" + boundary + b"--\r\n"
    upload = urllib.request.Request(
        f"{space.url}gradio_api/upload", content, {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
    )
    with pytest.raises((urllib.error.HTTPError, urllib.error.URLError)) as refused:
        urllib.request.urlopen(upload, timeout=60)
    assert getattr(refused.value, "code", 413) == 413


# -- submissions -------------------------------------------------------------------------------------------------------


def test_a_submission_is_checked_queued_and_shown(visit: Any, space: Served) -> None:
    page = visit()
    go(page, "Submit")
    expect(page.locator("#queue")).to_contain_text("Nothing was submitted yet")

    def send(model: str) -> Any:
        page.fill("#sb-model textarea", model)
        page.click("#sb-send")
        return page.locator("#sb-answer")

    expect(send("../../etc/passwd")).to_contain_text("is no model")
    expect(send(SCRIPT)).to_contain_text("<img src=x")
    expect(send("org/none")).to_contain_text("is not in the Hub cache")
    expect(send("bundled/tiny-resnet")).to_contain_text("Queued: bundled/tiny-resnet at sha256:")
    expect(page.locator("#queue tbody tr")).to_have_count(1)
    expect(page.locator("#queue .chip")).to_have_text("pending")
    expect(send("bundled/tiny-resnet")).to_contain_text("is in the queue already")
    expect(send("bundled/tiny-bert")).to_contain_text("Queued: bundled/tiny-bert")
    expect(send("org/other")).to_contain_text("6 tries an hour are taken of a visitor")
    assert len(list((space.store / "submissions").glob("*.json"))) == 2


# -- from elsewhere ----------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_told(space: Served) -> None:
    port = space.url.rstrip("/").rpartition(":")[2]
    command = [sys.executable, "-c", SUITE, "space", "--store", str(space.store), "--port", port, "--offline"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert told.returncode == 2
    assert told.stderr.startswith("error: The Space cannot be served")


def test_the_bundled_results_open_in_a_browser(browser: Any, tmp_path: Path) -> None:
    with served(Path(__file__).parent.parent / "space" / "results") as running:
        page = browser.new_page()
        page.goto(running.url)
        expect(page.locator("#board tbody tr").first).to_be_visible(timeout=SECONDS)
        assert page.locator("#board tbody tr").count() >= 5
        page.close()
