"""The report: one page that is whole, loads nothing and says why where it shows nothing."""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call
from made_records import LOSS, PROTOCOL, grid, made

from suite import report, resources
from suite.admission import Filter
from suite.evidence import SHOWN, Section, sections, words
from suite.index import Contents, entry_of
from suite.plan import Request, plan
from suite.report import _cost, _critical, _curves, _forest, _plot, _ranks, _seeds, _svg, _theme, _words
from suite.spec import Result, RunSpec, SuiteError
from suite.store import Store

TASKS = ("t1", "t2", "t3")
SKILL = {"org/a": 0.9, "org/b": 0.88, "org/c": 0.3}
HOSTILE = (
    "<script>alert(1)</script>",
    "</svg></figure><style>*{display:none}</style><img src=http://evil.example/x.png>",
    "$\\frac{a_b}{c^2}$ $",
    "x" * 200,
    "模型/中文",
    "😀/🚀\u200d-model",
    "a\u202eevil",
    "nul\x00\x07\x1b[31m",
    "{{ 7*7 }}{% raw %}",
    "&lt;b&gt; \"quoted\" 'too' & \\back",
    "url(http://evil.example) @import",
)
CURVE = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}, {"step": 2, "validation": 0.7}]
VOID = {"meta", "br", "hr", "img", "link", "input"}


def contents(results: list[Result]) -> Contents:
    return Contents([entry_of(result.record, result.columns) for result in results])


def one_each(models: tuple[str, ...], values: list[float]) -> list[Result]:
    return [made(m, t, values, seed=s) for m in models for t in TASKS for s in (0, 1)]


def without(results: list[Result], *cells: tuple[str, str]) -> list[Result]:
    return [r for r in results if (r.record.spec.checkpoint.name, r.record.task) not in cells]


CASES: dict[str, list[Result]] = {
    "empty": [],
    "one example": [made("m", "t", [1.0])],
    "one row": grid({"m": 0.8}, TASKS),
    "one task": grid(SKILL, ["t"]),
    "two tasks": grid(SKILL, ["t1", "t2"]),
    "one seed": grid(SKILL, [*TASKS, "t4"], seeds=1),
    "no intervals": one_each(("a", "b", "c"), [1.0]),
    "all equal": one_each(("a", "b", "c"), [1, 0, 1, 0, 1, 0]),
    "all right": one_each(("a", "b", "c"), [1.0] * 30),
    "no cost": grid(SKILL, TASKS, checkpoint={}, cost={}),
    "cost of nothing": grid(SKILL, TASKS, checkpoint={"params": 0, "trainable_params": 0}, cost={"seconds": 0.0}),
    "losses": grid(SKILL, TASKS, main=LOSS),
    "scores and losses": grid(SKILL, TASKS) + grid(SKILL, ["u1", "u2", "u3"], main=LOSS),
    "all collapsed": grid(SKILL, TASKS, collapsed=True),
    "failed examples": grid(
        SKILL, TASKS, counts={"train": 9, "validation": 1, "test": 200, "scored": 199, "failed": 1}
    ),
    "missing": without(grid(SKILL | {"org/d": 0.5}, TASKS), ("org/b", "t2"), ("org/d", "t1")),
    "none complete": grid({"a": 0.8}, ["t1"]) + grid({"b": 0.8}, ["t2"]),
    "unknown kind": grid(SKILL, ["t1"], task_fields={"kind": "new_kind"}),
    "images": grid(SKILL, ["t1"], task_fields={"kind": "image_classification"}) + grid(SKILL, ["t2"]),
    "few shot": grid(SKILL, TASKS, strategy="few_shot") + grid(SKILL, TASKS),
    "curves": grid(SKILL, TASKS, training={"curve": CURVE}),
    "odd curves": grid(SKILL, TASKS, training={"curve": [{"step": 1, "loss": float("nan")}, {"loss": 2.0}, 7]}),
    "hostile": grid({name: 0.9 - 0.05 * i for i, name in enumerate(HOSTILE)}, TASKS, n=60, training={"curve": CURVE}),
}


class Page(HTMLParser):
    """What a browser would make of a page: it must be well nested, its ids unique and its references inside."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without a start"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles if self.open and self.open[-1] == "style" else self.texts).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, *names: str) -> list[str]:
        return [str(v) for _, given in self.tags for k, v in given.items() if k in names]


def sections_of(results: list[Result]) -> list[Section]:
    return sections(contents(results), None, Filter())[0]


@functools.cache
def page_of(case: str) -> str:
    return report.render(contents(CASES[case]))


@pytest.mark.parametrize("case", CASES)
def test_a_page_is_well_nested_and_refers_to_nothing_outside(case: str) -> None:
    text = page_of(case)
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for reference in page.values("href", "xlink:href"):
        assert reference.startswith("#")
        assert reference[1:] in ids
    for named in page.values("aria-labelledby", "aria-describedby"):
        assert set(named.split()) <= set(ids)
    assert not page.values("src", "srcset", "data", "action", "poster", "background", "onload", "onclick")
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "image", "base"}
    css = " ".join([*page.styles, *page.values("style", "clip-path", "fill", "stroke", "filter")])
    assert "@import" not in css
    assert all(url.startswith("#") for url in re.findall(r"url\(\s*['\"]?([^)]*)", css))


@pytest.mark.parametrize("case", CASES)
def test_every_section_is_there_or_says_why_not_and_no_number_is_none(case: str) -> None:
    page = Page(page_of(case))
    assert not re.search(r"\b(nan|inf|None)\b", page.text.replace("</svg>", ""), re.IGNORECASE if case == "" else 0)
    if case == "empty":
        assert "The store holds no record that fits" in page.text
        return
    for section in sections_of(CASES[case]):
        for title in (
            "Mean over tasks",
            "Every task by itself",
            "How sure is each rank?",
            "Do the ranks hold over tasks?",
        ):
            assert title in page.text, section.title
    for title in (
        "What does a better score cost?",
        "How much do single runs vary?",
        "How it was measured",
        "Checkpoints",
    ):
        assert title in page.text
    figures = sum(tag == "svg" for tag, _ in page.tags)
    reasons = len(re.findall(r"There (?:is|are) no (?:plot|rank distribution|critical|learning)", page.text))
    curves = 2 if "Training loss on the way" in page.text and "Validation score on the way" in page.text else 1
    assert figures + reasons == len(sections_of(CASES[case])) * (6 + curves)


def test_hostile_names_are_text_and_nothing_else() -> None:
    page = Page(page_of("hostile"))
    assert [tag for tag, _ in page.tags].count("style") == 1 + [tag for tag, _ in page.tags].count("svg")
    for name in HOSTILE:
        assert words.clean(name) in page.text
    assert "alert(1)" in page.text
    assert "49" not in re.sub(r"[0-9.]+49|49[0-9.]+", "", page.text.split("The board")[0])
    assert not set(page_of("hostile")) & {chr(code) for code in (*range(9), *range(11, 32), 0x202E)}


def test_hostile_names_are_text_in_figure_files(tmp_path: Path) -> None:
    made_report = report.write_report(tmp_path / "r.html", contents(CASES["hostile"]), plots=tmp_path / "figures")
    texts = [element.text for path in made_report.plots for element in ET.parse(path).iter() if element.text]
    assert "<script>alert(1)</script>" in texts
    assert "$\\frac{a_b}{c^2}$ $" in texts
    assert not [path for path in made_report.plots if "<script" in path.read_text(encoding="utf-8")]


def test_the_same_store_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "s"))
    for result in [
        *grid(SKILL, TASKS, seeds=1, n=40, training={"curve": CURVE}),
        *grid(SKILL, ["u"], seeds=1, main=LOSS),
    ]:
        store.put(result)
    code = "import sys; from suite import report; sys.stdout.buffer.write(report.render('s').encode())"
    environment = os.environ | {"PYTHONPATH": str(Path(report.__file__).parents[2]), "PYTHONHASHSEED": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path, check=True, env=environment)
    monkeypatch.chdir(tmp_path)
    here = report.render("s")
    assert len(here) > 50_000
    assert run.stdout.decode() == here == report.render(store)


def test_reading_reports_loads_no_training_library() -> None:
    code = (
        "import sys; from suite import report; report.render('memory://nothing')\n"
        "heavy = {'torch', 'transformers', 'datasets', 'evaluate', 'peft', 'timm', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy\nassert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("form", ["svg", "png"])
def test_every_figure_is_written_to_a_file_of_its_own(form: str, tmp_path: Path) -> None:
    results = grid(SKILL, TASKS, seeds=2, n=50, training={"curve": CURVE})
    written = report.write_report(tmp_path / "new" / "r.html", contents(results), None, None, tmp_path / "f", form)
    names = {"means", "tasks", "ranks", "critical", "cost", "seeds", "validation", "loss"}
    assert {path.name for path in written.plots} == {f"text-tasks-{name}.{form}" for name in names}
    for path in written.plots:
        if form == "png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n")
        else:
            assert ET.parse(path).getroot().tag.endswith("}svg")
    again = report.write_report(tmp_path / "r2.html", contents(results), None, None, tmp_path / "g", form)
    assert [p.read_bytes() for p in written.plots] == [p.read_bytes() for p in again.plots]


def test_words_that_cannot_be_followed_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    store = tmp_path / "nothing"
    for asked, told in (
        (["-o", tmp_path], "is a folder; name a file"),
        (["-o", tmp_path / "file" / "r.html"], "cannot be made"),
        (["-o", tmp_path / "r.html", "--plots", tmp_path / "file"], "is a file; --plots takes a folder"),
        (["-o", tmp_path / "r.html", "--plot-format", "pgn"], "Did you mean 'png'?"),
        (["-o", tmp_path / "r.html", "--resample", "kfold"], "--resample is 'kfold'"),
        (["-o", tmp_path / "r.html", "-t", "digitz"], "Did you mean 'digits'?"),
    ):
        answer = call("report", "--store", store, *asked)
        assert answer.code == 2
        assert len(answer.mistakes) == 1
        assert told in answer.mistakes[0]


def test_the_command_writes_a_page_and_says_so(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "s"))
    for result in grid(SKILL, ["t1"], seeds=1):
        store.put(result)
    answer = call("report", "-o", tmp_path / "r.html", "--store", tmp_path / "s", "-s", "full")
    assert (answer.code, answer.out) == (0, f"{tmp_path / 'r.html'} is written: 3 records on 1 board.\n")
    answer = call("report", "-o", tmp_path / "e.html", "--store", tmp_path / "s", "-s", "lora")
    assert answer.out == f"{tmp_path / 'e.html'} is written, but the store holds no record that fits.\n"
    assert (tmp_path / "e.html").is_file()


def test_the_wheel_and_the_checkout_have_the_template() -> None:
    assert (resources.folder("cards") / "report.html.jinja").is_file()


def test_the_lead_says_what_the_tie_groups_say() -> None:
    (section,) = sections_of(grid({"org/a": 0.9, "org/b": 0.9, "org/c": 0.3}, TASKS))
    first, second, third = section.lines
    a, b = first.name, second.name
    assert (first.tie_group, second.tie_group, third.tie_group) == (1, 1, 2)
    told = [f"{100 * line.mean:.1f} ±{50 * np.ptp(line.interval):.1f}" for line in (first, second)]
    assert _words.lead(section) == (
        f"{a} (M {told[0]}) comes first, but cannot be told from {b} ({told[1]}): they share the first place."
    )
    (section,) = sections_of(grid({"a": 0.9, "b": 0.3, "c": 0.28}, TASKS))
    assert "a with full (M " in _words.lead(section)
    assert "is ahead, and can be told from the next, b with full (" in _words.lead(section)
    (section,) = sections_of(CASES["all equal"])
    assert "which may be chance" in _words.lead(section)
    (section,) = sections_of(CASES["none complete"])
    assert _words.lead(section).startswith("Nothing can be ranked")
    (section,) = sections_of(CASES["one row"])
    assert "nothing to rank it against" in _words.lead(section)


def test_losses_are_a_section_of_their_own_with_the_least_first() -> None:
    scores, losses = sections_of(CASES["scores and losses"])
    assert (scores.slug, losses.slug) == ("text-tasks", "text-tasks-losses")
    assert [line.label for line in scores.lines] == ["org/a", "org/b", "org/c"]
    assert [line.label for line in losses.lines] == ["org/c", "org/b", "org/a"]
    assert losses.lines[0].mean == pytest.approx(min(line.mean or 9 for line in losses.lines))
    assert _ranks.distribution(losses).found.startswith("org/c with full is first in over 99%")
    assert "org/c with full alone" in _cost.pareto(losses).found


def test_a_page_does_not_tell_where_a_store_lies_on_a_machine() -> None:
    assert words.called("/home/me/secret/results/") == "results"
    assert words.called("s3://key:word@bucket/results") == "s3://bucket/results"
    assert words.called(Store("hf://datasets/org/results".replace("hf:", "memory:"))) == "memory://datasets/org/results"
    assert words.called(Contents()) == ""


def test_few_shot_and_modalities_stand_apart() -> None:
    assert {section.title for section in sections_of(CASES["few shot"])} == {"Text tasks", "Text tasks, few shot"}
    assert [section.title for section in sections_of(CASES["images"])] == ["Image tasks", "Text tasks"]


def test_every_row_has_the_records_that_made_it() -> None:
    joint = {"settings": {"learning_rate": 1e-4}}
    results = grid(SKILL, TASKS, seeds=2) + grid(SKILL, TASKS, seeds=3, spec_fields=joint)
    (section,) = sections_of(results)
    assert len(section.lines) == 6
    for line in section.lines:
        seeds = 3 if line.row.settings else 2
        for task in TASKS:
            scores = [entry.head.score for entry in line.of(task)]
            assert len(scores) == seeds
            assert np.mean(scores) == pytest.approx(line.row.tasks[task].mean)


def test_rows_without_a_task_have_letters() -> None:
    (section,) = sections_of(CASES["missing"])
    assert {line.label: line.number for line in section.lines} == {
        "org/a": "1",
        "org/b": "a",
        "org/d": "b",
        "org/c": "2",
    }
    page = Page(report.render(contents(CASES["missing"])))
    assert "2 rows lack a task or fold and have no rank." in page.text
    assert "2 more lack a task" in page.text  # why there is no diagram


def test_dots_stand_at_the_means() -> None:
    (section,) = sections_of(grid(SKILL, TASKS))
    with _theme.style():
        figure = _forest.means(section).figure
    assert figure is not None
    dots = {
        (round(x, 6), y)
        for line in figure.axes[0].get_lines()
        if line.get_marker() == "o"
        for x, y in line.get_xydata()
    }
    assert dots == {(round(100 * line.mean, 6), float(y)) for y, line in enumerate(section.lines) if line.mean}
    ends = [segment for lines in figure.axes[0].collections for segment in lines.get_segments()]
    assert sorted(end[0][0] for end in ends) == pytest.approx(sorted(100 * line.interval[0] for line in section.lines))


def test_a_collapsed_run_is_a_cross_and_not_part_of_the_mean_of_the_others() -> None:
    runs = [made("m", "t", [1.0] * 80 + [0.0] * 20, seed=s) for s in range(3)]
    fallen = made("m", "t", [1.0] * 50 + [0.0] * 50, seed=3, collapsed=True)
    (section,) = sections_of([*runs, fallen])
    with _theme.style():
        figure = _seeds.spread(section).figure
    assert figure is not None
    marks = {line.get_marker(): line for line in figure.axes[0].get_lines()}
    assert list(marks["o"].get_xdata()) == [0.0, 0.0, 0.0]
    assert len(marks["x"].get_xdata()) == 1
    told = {text.get_text() for text in figure.axes[0].texts}
    assert {"80.0", "50.0"} <= told
    assert "1 of 4 runs collapsed." in _seeds.spread(section).found


def test_the_front_is_what_nothing_beats() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        points = [(float(c), float(s)) for c, s in rng.integers(0, 6, (rng.integers(1, 9), 2))]
        found = _cost.front(points)
        beaten = {p for p in points for o in points if o != p and o[0] <= p[0] and o[1] >= p[1]}
        assert {points[i] for i in found} == set(points) - beaten
        assert [points[i][0] for i in found] == sorted(points[i][0] for i in found)


def test_many_rows_are_shown_in_part_and_none_is_lost() -> None:
    skill = {f"org/model-{i:03d}": 0.95 - 0.003 * i for i in range(110)}
    results = grid(skill, ["t1", "t2"], seeds=1, n=40, training={"curve": CURVE})
    text = report.render(contents(results))
    page = Page(text)
    assert f"The first {SHOWN} of 110 rows are shown" in page.text
    assert "The other 70 rows" in page.text
    assert all(page.text.count(name) >= 1 for name in skill)
    assert "more have some" in page.text  # learning curves
    assert len(text) < 2_000_000


def test_rows_that_are_not_shown_count_for_ranks_and_for_the_front() -> None:
    values = [[1.0] * (100 - i) + [0.0] * i for i in range(SHOWN + 5)]
    sizes = [{"params": 10_000 - 100 * i, "trainable_params": 10_000 - 100 * i} for i in range(SHOWN + 5)]
    (section,) = sections_of(
        [made(f"m{i}", "t", v, checkpoint=c) for i, (v, c) in enumerate(zip(values, sizes, strict=True))]
    )
    plot = _cost.pareto(section)
    assert plot.found.startswith(
        "On the Pareto front, from cheap to dear, by parameters trained and parameters in all: rows"
    )
    assert f"rows {SHOWN + 5}, {SHOWN + 4}, " in plot.found
    assert f"Of {SHOWN + 5} rows and ranks the first {SHOWN} are shown." in _ranks.distribution(section).caption


def test_a_board_of_20_rows_and_6_tasks_is_a_small_page() -> None:
    skill = {f"org/model-{i:03d}": 0.95 - 0.02 * i for i in range(20)}
    curve = [{"step": s, "loss": 1.0 / s} for s in range(1, 21)] + [{"step": 20, "validation": 0.5}]
    results = grid(skill, [f"t{i}" for i in range(6)], seeds=3, n=40, training={"curve": curve})
    assert len(report.render(contents(results)).encode()) < 1_000_000


def test_a_diagram_needs_three_tasks_and_three_rows_and_says_how_weak_it_is() -> None:
    (section,) = sections_of(grid(SKILL, TASKS))
    plot = _critical.difference(section)
    assert plot.figure is not None
    assert "3 tasks are few for this test" in plot.caption
    for case, why in (("two tasks", "ranks over 2 tasks cannot tell"), ("one row", "1 row is complete")):
        (section,) = sections_of(CASES[case])
        plot = _critical.difference(section)
        assert plot.figure is None
        assert why in plot.caption


def test_curves_are_means_over_runs_and_a_trunk_has_its_own_panel() -> None:
    curves = [[{"step": 1, "loss": 1.0}, {"step": 2, "loss": level}] for level in (0.4, 0.8)]
    (section,) = sections_of(
        [made("m", "t", [1.0, 0.0] * 10, seed=s, training={"curve": c}) for s, c in enumerate(curves)]
    )
    with _theme.style():
        (plot,) = _curves.curves(section)
    assert plot.figure is not None
    (line,) = plot.figure.axes[0].get_lines()
    assert line.get_xydata().tolist() == [[1.0, 1.0], [2.0, pytest.approx(0.6)]]
    (none,) = _curves.curves(sections_of(grid(SKILL, TASKS))[0])
    assert none.figure is None
    assert "no record of these rows holds one" in none.caption


def test_an_interval_wider_than_all_others_does_not_squeeze_the_plot() -> None:
    marks: list[_plot.Mark] = [(50.0 + i, (48.0 + i, 52.0 + i)) for i in range(10)]
    wild = [*marks, (55.0, (-400.0, 510.0))]
    low, high = _plot.window(wild, 100.0)
    assert low > 30
    assert high < 80
    assert _plot.cut(wild, (low, high))
    assert not _plot.cut(marks, _plot.window(marks))
    assert _plot.window([]) == pytest.approx((-0.06, 1.06))
    low, high = _plot.window([(5.0, None)])
    assert low < 5 < high


def test_text_fits_its_room_and_keeps_both_ends() -> None:
    assert _theme.fitted("short", 200) == "short"
    cut = _theme.fitted("org/a-very-long-name-of-a-checkpoint-v2", 120)
    assert _theme.wide(cut) <= 120
    assert cut.startswith("org/")
    assert cut.endswith("v2")
    assert _theme.wide(_theme.fitted("模型" * 60, 120)) <= 120
    assert _theme.fitted("abc", 1) == "…"


def test_clean_text_steers_nothing() -> None:
    assert words.clean("a\x1b[31m\u202eb\u2028c\ud800\ufffe") == "a\ufffd[31m\ufffdb c\ufffd\ufffd"
    assert words.clean("👩\u200d💻 é ü") == "👩\u200d💻 é ü"


def test_every_colour_of_a_figure_has_a_role_in_the_page() -> None:
    style, *_ = Page(page_of("curves")).styles
    for role in _theme.ROLES.values():
        assert style.count(f"--{role}:") == 3  # light, dark, print
    figures = re.findall(r"<svg.*?</svg>", page_of("curves"), re.DOTALL)
    left = {colour for svg in figures for colour in re.findall(r"#[0-9a-f]{6}", svg)}
    assert not left, left


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.1, 1.4.3)."""

    def light(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_in_light_dark_and_print() -> None:
    style, *_ = Page(page_of("one row")).styles
    schemes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", scheme))
        for ground in ("page", "band"):
            for role in ("ink", "muted", "accent", "warn"):
                assert contrast(colours[role], colours[ground]) >= 4.5, (role, ground)
            for i in range(len(_theme.SERIES)):
                assert contrast(colours[f"s{i}"], colours[ground]) >= 3, (i, ground)


def with_spec(spec: RunSpec, task: str) -> Result:
    """Return a result of a planned run."""
    fields: dict[str, Any] = {name: getattr(spec, name) for name in RunSpec.model_fields}
    return made(spec.checkpoint.name, task, [1.0, 0.0, 1.0, 1.0], spec_fields=fields)


@pytest.mark.parametrize(
    "request_",
    [
        Request(("bundled/tiny-bert",), ("wordnet-pos", "wordnet-relation"), ("linear_probe", "full"), 2, "quick"),
        Request(("bundled/tiny-bert",), ("wordnet-pos",), ("lora",), 1, "quick", "random", "kfold:3"),
        Request(("bundled/tiny-bert",), ("wordnet-pos", "wordnet-relation"), ("full",), 2, "quick", joint=True),
    ],
    ids=["grid", "folds", "joint"],
)
def test_the_commands_make_the_same_runs_again(request_: Request, tmp_path: Path) -> None:
    results = [with_spec(spec, task.name) for spec in plan(request_) for task in spec.tasks]
    text = report.render(contents(results))
    block = re.search(r"<pre>(.*?)</pre>", text, re.DOTALL)
    assert block is not None
    commands = Page(f"<pre>{block[1]}</pre>").texts[0].splitlines()
    planned = set()
    for command in commands:
        answer = call(*shlex.split(command)[1:], "--dry-run", "--store", tmp_path / "s")
        assert answer.code == 0, answer.err
        planned |= {line.split()[0] for line in answer.out.splitlines() if "to run " in line and "·" in line}
    assert planned == {spec.key()[:12] for spec in plan(request_)}


def test_pins_and_protocol_are_told() -> None:
    text = Page(page_of("curves")).text
    for pin in ("0" * 40, "org/a", "t1", "accuracy", "x"):
        assert pin in text
    assert f"{PROTOCOL.name}, version {PROTOCOL.version}" in text
    assert "Nothing is ever chosen on the test rows." in text
    assert "No record says whether training and test rows overlap: nobody looked." in text
    found = {"method": "minhash", "version": 1, "thresholds": {"jaccard": 0.8}, "train_rows": 180, "test_rows": 200}
    counts = {"exact": 3, "near": 2, "other_label": 0, "clean": {"n": 195, "metrics": {"accuracy": 0.5}}}
    seen = {"seen": [True] * 5 + [False] * 195}
    results = [
        made("m", "t", np.arange(200) % 2, contamination=found | counts, columns=seen),
        made("m", "u", np.arange(200) % 2, contamination={"reason": "What was tested are no rows of the test split."}),
    ]
    text = Page(report.render(contents(results))).text
    assert "minhash v1 (jaccard 0.8) 180 3 2 195" in text
    assert "not known: What was tested are no rows of the test split." in text


def test_what_was_left_out_is_told_at_the_top_and_in_full() -> None:
    other = PROTOCOL.model_copy(update={"version": 2})
    results = grid(SKILL, TASKS) + grid({"org/z": 0.5}, TASKS, seeds=1, protocol=other)
    text = Page(report.render(contents(results))).text
    assert text.count("3 records of another protocol: p v2") == 2
    assert "org/z" not in text


def test_a_figure_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (section,) = sections_of(CASES["one row"])
    with _theme.style():
        figure = _forest.means(section).figure
    assert figure is not None
    for form in ("svg", "png"):
        with pytest.raises(SuiteError, match="cannot be written"):
            _svg.save(figure, tmp_path / "no" / f"such.{form}")
