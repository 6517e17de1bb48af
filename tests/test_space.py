"""What the Space shows, without a browser: views and links, hostile names, files to take away, the demo's and the
desk's manners. tests/test_space_browser.py looks at the page itself."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from made_records import PROTOCOL, grid, made

from suite.boards import boards
from suite.spec import CheckpointRef, MetricInfo, SuiteError
from suite.store import Store

SPACE = Path(__file__).parent.parent / "space"
sys.path.insert(0, str(SPACE))

from showroom import board, booth, compare, desk, explore, figures, library, sheet, specimens, views  # noqa: E402
from showroom.axes import linear  # noqa: E402
from showroom.shelf import EVERY, Shelf, row_id  # noqa: E402
from showroom.views import View, of_query, show  # noqa: E402

HOSTILE = (
    "org/<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "org/{{7*7}}${7*7}{%25 raw %25}",
    "[a](javascript:alert(1)) **b** `c`",
    "=HYPERLINK(1)",
    "org/\u202egpj.exe\u0000",
)
SKILLS = {"org/good": 0.9, "org/fair": 0.75, "org/poor": 0.55}
TASKS = ("t1", "t2", "t3")


def filled(folder: Path, *groups: Any) -> str:
    store = Store(str(folder))
    for results in groups:
        for result in results:
            store.put(result)
    return str(folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three checkpoints, two strategies, texts and pictures; one row lacks a task, one run collapsed."""
    few = {k: v for k, v in SKILLS.items() if k != "org/poor"}
    sizes = {"org/good": 20_000_000, "org/fair": 500_000, "org/poor": 2_000_000_000}

    def sized(results: list[Any]) -> list[Any]:
        for one in results:
            one.record.checkpoint.update(params=sizes[one.record.spec.checkpoint.name])
        return results

    picture = {"task_fields": {"kind": "image_classification"}}
    return filled(
        tmp_path_factory.mktemp("space") / "store",
        sized(grid(SKILLS, TASKS, n=60)),
        sized(grid(few, TASKS[:2], n=60, strategy="lora")),
        sized(grid(SKILLS, ("p1", "p2"), n=60, **picture)),
        sized([made("org/poor", "p1", np.zeros(60), seed=9, collapsed=True, **picture)]),
        sized([made("org/good", "t9", np.ones(60), spec_fields={"resample": "kfold:2"})]),
    )


@pytest.fixture(scope="module")
def shelf(store: str) -> Shelf:
    return Shelf(store)


class Texts(HTMLParser):
    """Collects what a browser would show, and every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags = "", []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


# -- views and links ---------------------------------------------------------------------------------------------------


def test_a_view_is_told_by_a_link_and_comes_back(shelf: Shelf) -> None:
    asked = View("", "", "image-tasks", ("full",), ("10M to 100M", "over 1B"), "org o&=?#", "-task.p1", True)
    shown = show(shelf.now, asked)
    assert shown.view == asked
    assert of_query("?" + shown.view.query()) == asked
    assert View().query() == ""


@pytest.mark.parametrize(
    "query",
    [
        "board=nowhere&sort=nothing&strategy=none&collection=x&protocol=y&size=z&rows=some",
        "%ff%00&=&&&&sort=%E2%80%AE",
        "search=" + "a" * 100_000,
        "&".join(f"strategy=s{i}" for i in range(2000)),
        "__theme=dark&board=<script>",
    ],
)
def test_a_link_that_makes_no_sense_shows_what_is_shown_by_default(query: str, shelf: Shelf) -> None:
    shown = show(shelf.now, of_query(query))
    assert shown.section is not None
    assert shown.section.slug == shelf.now.boards().sections[0].slug
    assert (shown.view.sort, shown.view.strategies, shown.view.board) == ("", (), "")


def test_filters_keep_the_rows_that_fit(shelf: Shelf) -> None:
    names = lambda view: [line.name for line in show(shelf.now, view).lines]  # noqa: E731  # said five times below
    assert names(View(strategies=("lora",))) == ["org/good with lora", "org/fair with lora"]
    assert names(View(search="GOOD full")) == ["org/good with full"]
    assert set(names(View(sizes=("under 1M",)))) == {"org/fair with full", "org/fair with lora"}
    assert names(View(search="nobody")) == []
    assert "No row fits" in board.html(show(shelf.now, View(search="nobody")))


def test_every_column_sorts_best_first_and_turned_round_with_gaps_last(shelf: Shelf) -> None:
    shown = show(shelf.now, View())
    assert shown.section is not None
    for column in shown.columns:
        one = [column.value(line) for line in show(shelf.now, View(sort=column.key)).lines]
        other = [column.value(line) for line in show(shelf.now, View(sort=f"-{column.key}")).lines]
        have = [value for value in one if value is not None]
        assert have == sorted(have, reverse=column.descending), column.key
        assert [v for v in other if v is not None] == sorted(have, reverse=not column.descending)
        assert one[len(have) :] == other[len(have) :] == [None] * (len(one) - len(have))
    assert {row_id(line) for line in shown.lines} == {row_id(line) for line in shown.section.lines}


def test_a_protocol_and_a_cut_of_the_data_are_boards_of_their_own(shelf: Shelf) -> None:
    assert shelf.now.protocols == ["p", "p, kfold:2"]
    folded = show(shelf.now, View(protocol="p, kfold:2"))
    assert [column.key for column in folded.columns if column.kind == "task"] == ["task.t9"]
    usual = show(shelf.now, View())
    assert "task.t9" not in [column.key for column in usual.columns]  # it would be a column of nothing


def test_the_boards_it_opens_on_are_those_of_the_command(tmp_path: Path) -> None:
    """Each board has the protocol of most of its own records; no other protocol's task is a column of nothing."""
    other = {"protocol": PROTOCOL.model_copy(update={"name": "q"})}
    picture = {"task_fields": {"kind": "image_classification"}}
    few = {name: SKILLS[name] for name in ("org/good", "org/fair")}
    store = filled(
        tmp_path / "store",
        grid(SKILLS, TASKS[:2], n=60),
        grid(few, ("t8",), n=60, seeds=1, **other),
        grid(few, ("p1",), n=60, **picture, **other),
        grid(few, ("p2",), n=60, seeds=1, **picture),
    )
    shelf = Shelf(store)
    sections = shelf.now.boards().sections
    assert {(s.title, tuple(column.name for column in s.columns)) for s in sections} == {
        ("Text tasks", ("t1", "t2")),
        ("Image tasks", ("p1",)),
    }
    assert {(board.protocol, tuple(board.tasks)) for board in boards(store)} == {
        (section.board.protocol, tuple(section.board.tasks)) for section in sections
    }
    assert all(line.ranked for section in sections for line in section.lines)
    told = json.loads(call("leaderboard", "--store", store, "--format", "json").out)
    assert {name for row in told for name in row["tasks"]} == {"t1", "t2", "p1"}
    text = Texts(board.html(show(shelf.now, View(board="image-tasks")))).text
    assert "Protocol q v1" in text
    assert "holdout, that of most of their records." in text
    assert "that of most" not in Texts(board.html(show(shelf.now, View(protocol="p")))).text


def test_a_large_board_shows_a_hundred_rows_until_all_are_asked_for(tmp_path: Path) -> None:
    many = {f"org/m{i}": 0.3 + i / 400 for i in range(views.MOST + 7)}
    shown = show(Shelf(filled(tmp_path, grid(many, ["t1"], seeds=1, n=40))).now, View())
    assert (len(shown.lines), shown.found) == (views.MOST, views.MOST + 7)
    assert f"Show all {views.MOST + 7}" in board.html(shown)


def test_a_store_that_changed_is_read_again_after_a_minute(tmp_path: Path) -> None:
    at = [0.0]
    shelf = Shelf(filled(tmp_path, grid({"org/a": 0.8}, ["t1"], n=40)), clock=lambda: at[0])
    before = shelf.now
    filled(tmp_path, grid({"org/b": 0.7}, ["t1"], n=40))
    assert shelf.now is before
    at[0] = EVERY + 1
    assert {line.label for line in show(shelf.now, View()).lines} == {"org/a", "org/b"}
    after = shelf.now
    at[0] = 3 * EVERY
    assert shelf.now is after  # nothing new: what was made of it is kept


def test_an_empty_store_has_pages_that_say_so(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path / "nothing"))
    shown = show(shelf.now, View())
    assert "holds no record" in board.html(shown)
    assert "nothing to explore" in explore.html(shown)
    assert "wordnet-pos" in library.html(shelf.now)
    assert shelf.now.names() == []
    assert booth.Booth(shelf).exhibits() == []


# -- what is seen at a glance ------------------------------------------------------------------------------------------


def test_a_board_tells_ties_intervals_provisional_rows_and_collapses(shelf: Shelf) -> None:
    html = board.html(show(shelf.now, View()))
    assert html.count('class="reach') >= 3  # intervals as bars
    assert "provisional" in html  # lora lacks t3
    assert ">?<" in html
    assert "hollow" in html
    pictures = board.html(show(shelf.now, View(board="image-tasks")))
    assert re.search(r'<sup title="1 run collapsed[^"]*">!</sup>', pictures)
    tied = board.html(show(Shelf(shelf.url).now, View()))
    assert tied == html  # the same store gives the same page


def test_rows_that_cannot_be_told_apart_share_a_band(tmp_path: Path) -> None:
    alike = {"org/a": 0.80, "org/b": 0.805, "org/c": 0.30}
    shown = show(Shelf(filled(tmp_path, grid(alike, TASKS, n=50))).now, View())
    groups = re.findall(r"<tbody.*?</tbody>", board.html(shown), re.DOTALL)
    assert [group.count("<tr data-row") for group in groups] == [2, 1]
    assert "=2" in groups[0]
    again = re.findall(r"<tbody.*?</tbody>", board.html(show(Shelf(str(tmp_path)).now, View(sort="name"))), re.DOTALL)
    assert [group.count("<tr data-row") for group in again] == [3]  # in another order bands would lie


def test_a_sheet_says_what_a_row_is_and_how_to_do_it_again(shelf: Shelf) -> None:
    shown = show(shelf.now, View())
    assert shown.section is not None
    first = next(line for line in shown.lines if line.ranked)
    text = Texts(sheet.html(shown.section, first)).text
    assert "org/good" in text
    assert "suite run -m org/good@" in text
    assert "suite verify" in text
    assert all(task in text for task in TASKS)
    rows = [line for section in shelf.now.boards().sections for line in section.lines]
    assert all("%" in sheet.html(shown.section, line) for line in shown.section.lines)
    assert len({row_id(line) for line in rows}) == len({line.name for line in rows})


def test_a_table_to_take_away_holds_the_rows_shown_in_their_order(shelf: Shelf) -> None:
    shown = show(shelf.now, View(sort="params", search="org"))
    rows = list(csv.DictReader(io.StringIO(board.as_csv(shown.lines))))
    assert [(row["model"], row["strategy"]) for row in rows] == [(o.row.model, o.row.strategy) for o in shown.lines]
    assert float(rows[0]["t1"]) == shown.lines[0].row.tasks["t1"].mean
    assert rows[0]["t1.low"] != ""


# -- strangers' words --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    skills = {name: 0.9 - i / 10 for i, name in enumerate(HOSTILE)}
    fields = {"description": HOSTILE[1], "labels": ("yes", "no")}
    words = {"label": [HOSTILE[0]] * 50, "prediction": [HOSTILE[1]] * 50}
    strange = [made(name, "t2", np.ones(50) * (i % 2), columns=words) for i, name in enumerate(HOSTILE[:2])]
    folder = tmp_path_factory.mktemp("hostile")
    return Shelf(filled(folder / "store", grid(skills, ["t1"], n=50, seeds=2, task_fields=fields), strange))


def pages_of(shelf: Shelf) -> dict[str, str]:
    now = shelf.now
    shown = show(now, View())
    assert shown.section is not None
    words = [word for _, word in now.names()]
    full = [word for word in words if word.endswith(":full")]
    return {
        "board": board.html(shown),
        "sheets": "".join(sheet.html(shown.section, line) for line in shown.section.lines),
        "explore": explore.html(shown),
        "tasks": library.html(now) + library.task_html(now, "t1"),
        "compare": compare.html(now, full[:4], now.protocols[0]),
        "examples": compare.disagreements(now, full[:4], now.protocols[0]),
        "mistake": compare.html(now, [HOSTILE[0], HOSTILE[1]], ""),
    }


def test_no_name_becomes_markup_anywhere(hostile: Shelf) -> None:
    for page, html in pages_of(hostile).items():
        tags = Texts(html).tags
        assert not [tag for tag, _ in tags if not TAGS.fullmatch(tag)], page
        for tag, attributes in tags:
            assert not [name for name in attributes if name.startswith("on")], (page, tag, attributes)
            assert not [
                v for n, v in attributes.items() if n in ("href", "src") and not str(v).startswith("data:image/png;")
            ]
        assert "\u202e" not in html, page  # what turns the direction of writing is shown as a sign of its own
        assert "\x00" not in html


TAGS = re.compile(
    "article|b|bdi|br|button|caption|code|d[dlt]|details|div|em|fig(caption|ure)|h[123]|i|img|li|line|p|polyline|pre|"
    "section|small|span|strong|sup|summary|svg|table|tbody|t[dhr]|tfoot|thead|ul|wbr"
)


def test_a_name_is_shown_as_it_is(hostile: Shelf) -> None:
    text = Texts(pages_of(hostile)["board"]).text
    for name in HOSTILE[:5]:
        assert name in text


def test_a_spreadsheet_takes_no_name_for_a_formula(hostile: Shelf) -> None:
    rows = list(csv.DictReader(io.StringIO(board.as_csv(show(hostile.now, View()).lines))))
    assert "'=HYPERLINK(1)" in {row["model"] for row in rows}
    assert all(not row["model"].startswith(("=", "+", "-", "@")) for row in rows)


# -- comparing, exploring, tasks ---------------------------------------------------------------------------------------


def test_a_comparison_says_its_verdict_in_words_and_draws_it(shelf: Shelf) -> None:
    html = compare.html(shelf.now, ["org/good:full", "org/poor:full"], "p")
    text = Texts(html).text
    assert "Different: A is better than B by" in text
    assert "different" in text
    assert html.count("<tr") >= 2 + len(TASKS) + 1  # a line a task, one for all of them
    assert re.search(r"\+\d+\.\d \[\+\d+\.\d, \+\d+\.\d\]", text)


def test_checkpoints_are_offered_under_words_that_compare_them(shelf: Shelf) -> None:
    words = [word for _, word in shelf.now.names()]
    assert words[:2] == ["org/fair", "org/good"]  # of several strategies: all of them
    assert "org/poor:full" in words
    for one in words[1:]:
        if one.partition(":")[0] != "org/fair":
            assert compare.compared(shelf.now, ["org/fair", one], "p").pairs


@pytest.mark.parametrize("words", [[], ["org/good"], ["org/good", "org/nobody"], ["org/good", "org/good"]])
def test_what_cannot_be_compared_is_told(words: list[str], shelf: Shelf) -> None:
    html = compare.html(shelf.now, words, "p")
    assert "empty" in html
    assert "<table" not in html


def test_examples_of_data_that_is_not_here_are_told_by_their_ids(shelf: Shelf) -> None:
    html = compare.disagreements(shelf.now, ["org/good:full", "org/poor:full"], "p")
    assert "not on this machine" in html
    assert "A says" in html


def test_figures_stand_inside_their_tracks(shelf: Shelf) -> None:
    for view in (View(), View(board="image-tasks"), View(strategies=("lora",))):
        html = explore.html(show(shelf.now, view))
        places = [float(place) for place in re.findall(r"(?:left|right|bottom|width):(-?[\d.]+)%", html)]
        assert places
        assert all(-0.01 <= place <= 100.01 for place in places)
        assert "nan" not in html.lower()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 97), (0.001, 0.0011), (-1e6, 1e6), (5, 5.0001)])
def test_an_axis_has_a_few_round_ticks_inside(low: float, high: float) -> None:
    scale = linear(low, high)
    assert 2 <= len(scale.ticks) <= 7
    assert all(0 <= at <= 1 for at, _ in scale.ticks)
    texts = [text for _, text in scale.ticks]
    assert len(set(texts)) == len(texts)


def test_the_front_is_what_nothing_beats_at_its_cost(shelf: Shelf) -> None:
    section = show(shelf.now, View(board="image-tasks")).section
    assert section is not None
    plot = figures.scatter(section, section.lines, figures.COSTS[1])
    assert plot is not None
    costs = {line.label: (line.row.params, line.mean) for line in section.lines}
    best = [line.label for line in plot.best]
    for label, (cost, mean) in costs.items():
        beaten = any(c <= cost and m > mean for c, m in costs.values())
        assert (label in best) is not beaten


def test_losses_are_boards_of_their_own(tmp_path: Path) -> None:
    loss = MetricInfo(name="mean_squared_error", version=1, greater_is_better=False, range=(0.0, None), chance=None)
    given = [("a", 0.2, 0), ("a", 0.2, 1), ("b", 0.4, 0), ("b", 0.4, 1)]
    made_up = [made(name, "l1", np.full(30, value), main=loss, seed=seed) for name, value, seed in given]
    shelf = Shelf(filled(tmp_path, made_up))
    shown = show(shelf.now, View())
    assert shown.section is not None
    assert shown.section.loss
    assert [line.label for line in shown.lines] == ["a", "b"]
    assert [line.label for line in show(shelf.now, View(sort="-mean")).lines] == ["b", "a"]
    assert "less is better" in explore.html(shown)
    assert "not on the scale" in compare.html(shelf.now, ["a", "b"], "p")


def test_a_task_says_what_it_measures_its_pins_and_who_is_best(shelf: Shelf) -> None:
    text = Texts(library.task_html(shelf.now, "t1")).text
    assert "accuracy: more is better" in text
    assert "guessing gives 0.5" in text
    assert "180 train, 20 validation, 60 test" in text
    assert "nobody looked" in text
    assert text.index("org/good") < text.index("org/fair")
    listed = Texts(library.html(shelf.now)).text
    assert listed.index("t1") < listed.index("No results yet")
    assert "sst2" in listed
    with pytest.raises(SuiteError, match="No task named"):
        library.task_html(shelf.now, "<b>")


def test_examples_of_a_bundled_task_are_found_with_their_labels(tmp_path: Path) -> None:
    from suite import data, kinds, tasks

    task = kinds.get("image_classification").complete(tasks.load("digits")[0])
    rows = data.load(task, tasks.local_files(task), {}).test
    fields = {name: getattr(task, name) for name in ("version", "kind", "dataset", "columns", "splits", "delta")}
    columns = {"id": rows.ids, "label": [str(label) for label in rows.columns["label"]]}
    spec = {"checkpoint": CheckpointRef(name="org/m", revision="0" * 40, modality="image")}
    result = made("org/m", "digits", np.ones(len(rows)), task_fields=fields, columns=columns, spec_fields=spec)
    html = library.examples_html(Shelf(filled(tmp_path, [result])).now, "digits")
    assert html.count("data:image/png;base64,") == library.EXAMPLES
    assert html.count("<dt>label</dt>") == library.EXAMPLES


def test_a_picture_is_drawn_anew_and_what_is_none_is_not() -> None:
    from PIL import Image

    content = io.BytesIO()
    Image.new("RGB", (400, 300)).save(content, "JPEG", comment=b"<script>")
    drawn = specimens.thumbnail(content.getvalue())
    assert drawn.startswith("data:image/png;base64,")
    for other in (b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50):
        assert specimens.thumbnail(other) == ""
    assert specimens.shown({"text": "a" * 5000})[0][2].endswith("…")


# -- the demo ----------------------------------------------------------------------------------------------------------


def test_a_text_that_is_too_long_or_empty_and_a_picture_that_is_none_are_told(shelf: Shelf) -> None:
    tried = booth.Booth(shelf)
    shelf.now.once(
        "exhibits", lambda: [booth.Exhibit("k", "l", "text_classification", ("text",), shelf.now.entries[0])]
    )
    for given, told in (
        ("a" * 1_000_000, "1,000,000 characters; at most 20,000"),
        ("  ", "nothing to read"),
        (None, "nothing"),
    ):
        with pytest.raises(SuiteError, match=told):
            tried.ask("k", {"text": given})
    with pytest.raises(SuiteError, match="Choose one of the kept models"):
        tried.ask("<other>", {"text": "a"})


def test_marked_parts_cover_a_text_once_and_in_order() -> None:
    pieces = booth._pieces(
        "It was Ada in Rome.", [(14, 18, "LOC", 1, 0.5), (7, 10, "PER", 0, 0.9), (8, 9, "X", 2, 0.1)]
    )
    assert [(text, label) for text, label, _, _ in pieces] == [
        ("It was ", ""),
        ("Ada", "PER"),
        (" in ", ""),
        ("Rome", "LOC"),
        (".", ""),
    ]


# -- the house ---------------------------------------------------------------------------------------------------------


def test_only_the_tabs_know_gradio_and_the_rest_loads_no_torch() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from showroom import board, booth, cards, compare, desk, explore, library, specimens\n"
        "from showroom.shelf import Shelf\nfrom showroom.views import View, show\n"
        "shelf = Shelf(sys.argv[2]); shown = show(shelf.now, View()); board.html(shown); explore.html(shown)\n"
        "compare.html(shelf.now, ['org/good:full', 'org/poor:full'], 'p'); library.html(shelf.now)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    store = str(SPACE / "results")
    done = subprocess.run([sys.executable, "-c", code, str(SPACE), store], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "peft", "timm", "evaluate", "accelerate", "gradio", "matplotlib"}
    assert not set(done.stdout.split()) & heavy
    for path in SPACE.rglob("*.py"):
        knows = re.search(r"^(import|from) gradio", path.read_text(), re.MULTILINE)
        assert not knows or path.parent.name == "tabs" or path.name == "space.py", path


def test_requirements_are_those_of_the_package() -> None:
    lines = (SPACE / "requirements.txt").read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    project = tomllib.loads((SPACE.parent / "pyproject.toml").read_text())["project"]
    ours = {line.replace(" ", "") for line in [*project["dependencies"], *project["optional-dependencies"]["demo"]]}
    named = {re.split(r"[<>=]", line)[0] for line in listed}
    assert {re.split(r"[<>=]", line)[0] for line in ours} | {"gradio"} == named
    assert {line for line in ours if not line.startswith("gradio")} <= listed


def test_the_page_of_the_space_is_one_that_the_hub_reads() -> None:
    from huggingface_hub.repocard import RepoCard

    card = RepoCard.load(SPACE / "README.md", repo_type="space", ignore_metadata_errors=False)
    about = card.data.to_dict()
    assert (about["sdk"], about["app_file"]) == ("gradio", "app.py")
    assert len(about["short_description"]) <= 60
    assert (SPACE / about["app_file"]).is_file()


def test_the_bundled_results_open_and_fit() -> None:
    folder = SPACE / "results"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3_000_000
    shelf = Shelf(str(folder))
    assert not shelf.now.contents.faults
    titles = [section.title for section in shelf.now.boards().sections]
    assert titles == ["Text tasks", "Image tasks"]
    assert all(line.ranked for section in shelf.now.boards().sections for line in section.lines)
    kinds = {one.kind for one in booth.Booth(shelf).exhibits()}
    assert {"text_classification", "token_classification", "question_answering", "image_classification"} <= kinds


def test_the_command_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    assert call("space", "--dry-run").mistakes == ["--dry-run goes with --deploy org/name."]
    (told,) = call("space", "--deploy", "org/name", "--store", tmp_path).mistakes
    assert "is a folder of this machine" in told
    assert call("space", "--store", "nowhere://x").code == 2


def test_what_is_deployed_is_the_space_and_what_it_stands_on() -> None:
    from suite import deployment

    files = deployment.files("hf://datasets/org/results")
    assert {"app.py", "README.md", "requirements.txt", "showroom/style.css", "pyproject.toml"} <= files.keys()
    assert {
        "suite/spec.py",
        "cards/report.html.jinja",
        "tasks/bundled/digits.yaml",
        "showroom/script.js",
    } <= files.keys()
    assert sum(path.startswith("results/records/") for path in files) >= 4 * 40
    assert "results/index.parquet" not in files  # a cache of this machine
    assert files["store.txt"] == b"hf://datasets/org/results\n"
    assert deployment.files()["store.txt"] is None  # one that was named before is taken away
    assert not [path for path in files if "__pycache__" in path or path.startswith((".", "tests"))]


def test_a_deployed_space_finds_all_that_it_needs_beside_it(tmp_path: Path) -> None:
    import shutil

    from suite import deployment

    for name, content in deployment.files().items():
        if content is not None:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content) if isinstance(content, bytes) else shutil.copy(content, path)
    code = (
        "import sys; sys.path.insert(0, '.')\nimport suite\nfrom showroom.shelf import Shelf\n"
        "from showroom import board, library\nfrom showroom.views import View, show\n"
        "shelf = Shelf('results'); print(suite.__file__, len(board.html(show(shelf.now, View()))))\n"
        "print('digits' in library.html(shelf.now), 'Test' in library.examples_html(shelf.now, 'digits'))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout
    assert done.stdout.endswith("True True\n")


# -- the desk ----------------------------------------------------------------------------------------------------------


def test_a_desk_tells_visitors_apart_and_refuses_one_that_comes_too_often(tmp_path: Path) -> None:
    from suite.submissions import Ask, Gate

    at = desk.Desk(str(tmp_path), Gate(tries=3), offline=True)
    told = []
    for _ in range(2000):
        with pytest.raises(SuiteError) as refused:
            at.submit(Ask("org/none", "full", "quick"), "1.2.3.4")
        told.append(str(refused.value))
    assert sum("3 tries an hour are taken" in text for text in told) == 1997
    with pytest.raises(SuiteError, match="not in the Hub cache"):
        at.submit(Ask("org/none", "full", "quick"), "5.6.7.8")
    assert not list(tmp_path.rglob("*.json"))
    assert "Nothing was submitted yet" in at.html()


def test_what_is_submitted_is_shown_with_its_state(tmp_path: Path) -> None:
    from suite.submissions import Ask, Queue

    at = desk.Desk(str(tmp_path), offline=True)
    assert at.submit(Ask("bundled/tiny-resnet", "linear_probe", "bundled-image"), "v").startswith("Queued:")
    assert "pending" in at.html()
    queue = Queue(str(tmp_path))
    (one,) = queue.waiting()
    assert queue.claim(one)
    assert "running" in at.html()
    queue.finish(one, "failed", HOSTILE[1])
    assert "failed" in at.html()
    assert "<script>" not in at.html()
    assert "1.2.3.4" not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


def test_behind_the_hubs_proxy_the_last_address_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"x-forwarded-for": "6.6.6.6, 1.2.3.4"}
    assert desk.visitor_of("10.0.0.1", said) == "10.0.0.1"
    monkeypatch.setenv("SPACE_ID", "org/name")
    assert desk.visitor_of("10.0.0.1", said) == "1.2.3.4"
    assert desk.visitor_of(None, {}) == "unknown"


# -- the Hub -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_space_is_brought_to_the_hub_in_one_commit_and_once(tmp_path: Path) -> None:
    from hub_session import TOKEN, Session
    from loopback_hub import LoopbackHub, User

    with LoopbackHub() as hub, Session(hub, tmp_path) as session:
        hub.users[TOKEN] = User("somebody", organisations=("org",))
        words = ("space", "--deploy", "org/board", "--store", "hf://datasets/org/results")
        planned = session.suite(*words, "--dry-run")
        assert "new     app.py" in planned.out
        assert "It would be created." in planned.out
        assert ("spaces", "org/board") not in hub.repositories
        told = session.suite(*words)
        assert told.code == 0, told.err
        assert "in one commit" in told.out
        repository = hub.repositories["spaces", "org/board"]
        assert repository.sdk == "gradio"
        files = repository.files
        assert files["app.py"] == (SPACE / "app.py").read_bytes()
        assert files["store.txt"] == b"hf://datasets/org/results\n"
        assert files["suite/spec.py"].startswith(b'"""What an evaluation is')
        commits = len(repository.commits)
        assert session.suite(*words).out.startswith("Nothing to change")
        assert len(repository.commits) == commits
        changed = session.suite(*words[:3])
        assert changed.code == 0
        assert "store.txt" not in hub.repositories["spaces", "org/board"].files
        refused = session.suite("space", "--deploy", "other/board")
        assert refused.code == 2
        assert session.suite("space", "--deploy", "no name").code == 2
