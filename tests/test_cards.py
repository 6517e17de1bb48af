"""Model cards: whole, inert, the same bytes again; what the Hub reads of them; and nobody's words lost in a merge."""

from __future__ import annotations

import functools
import html
import re
import shlex
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command_line import call
from every_kind import IMAGES
from huggingface_hub import ModelCard, parse_eval_result_entries
from hypothesis import assume, given
from hypothesis import strategies as st
from kept_runs import CASES, KeptRuns, kept_runs
from made_cards import (
    BANKING,
    BREAKOUT,
    COMMIT,
    GLUE,
    GOLDEN,
    HOSTILE,
    OWN,
    adapter,
    checkpoint,
    contents,
    hostile,
    keep,
    runs,
    written,
)
from made_records import PROTOCOL, grid, made

import suite
from suite import cards, evaluation, hub, kinds
from suite.cards import Card, _metadata, _text
from suite.cards._merge import BEGIN, END
from suite.evidence.words import clean
from suite.plan import Request, plan
from suite.spec import CheckpointRef, Mixture, RunSpec, SuiteError
from suite.store import Store

HERE = Path(__file__).parent / "golden" / "cards"


# -- Markdown as a reader sees it --------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """What a browser would make of Markdown: its elements, texts, and the cells of each table row."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.parts: list[str] = []
        self.rows: list[list[int]] = []
        self.feed(rendered(markdown))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "table":
            self.rows.append([])
        if tag == "tr":
            self.rows[-1].append(0)
        if tag in ("td", "th"):
            self.rows[-1][-1] += 1

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()


def rendered(markdown: str) -> str:
    from markdown_it import MarkdownIt

    text: str = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    return text


SIGNS = st.text(st.sampled_from(" ab1.)-+=#*_`~|<>&;[]()!\\{}$@:/\"'\n\t\u202e\u00a0é"), max_size=24)
ANY = st.one_of(
    SIGNS, st.text(max_size=24), st.sampled_from([HOSTILE, BREAKOUT, "www.x.y", "http://x.y", "&lt;", "\\`"])
)


@given(ANY, st.sampled_from([_text.text, _text.code]))
def test_words_are_shown_as_they_are_wherever_they_stand(words: str, way: Any) -> None:
    for before, behind, tags in (("", "", ["p"]), ("- ", "", ["ul", "li"]), ("a **", "** b", ["p", "strong"])):
        seen = Seen(f"{before}{way(words)}{behind}")
        expected = clean(words)
        if not expected and before != "- ":
            continue
        assert seen.text == (f"a {expected} b" if behind else expected)
        assert [tag for tag in seen.tags if tag != "code"] == tags
    seen = Seen(str(_text.table(("h", words), [(words, way(words)), ("x", "y")], left=1)))
    assert seen.rows == [[2, 2, 2]]
    assert set(seen.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert clean(words) in seen.text


@given(ANY)
def test_no_address_becomes_a_link_and_no_block_of_code_ends_early(words: str) -> None:
    assert not re.search(r"https?://|www\.\S", str(_text.text(words)), re.IGNORECASE)
    seen = Seen(str(_text.block([clean(words), f"```{clean(words)}", "x"], "bash")))
    assert seen.tags == ["pre", "code"]
    assert seen.text.endswith("x")


# -- golden cards ------------------------------------------------------------------------------------------------------


@functools.cache
def golden(name: str, folder: Path) -> Card:
    return GOLDEN[name](folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cards")


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_card_stays_as_it_is(name: str, place: Path) -> None:
    """After a change on purpose: python tests/golden/cards/make.py, and read the difference."""
    for ending, text in written(golden(name, place / name)).items():
        assert text == (HERE / f"{name}{ending}").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GOLDEN)
def test_a_card_is_well_formed_and_inert(name: str, place: Path) -> None:
    text = golden(name, place / name).text
    seen = Seen(ModelCard(text).text)
    known = {"h1", "h2", "h3", "p", "ul", "li", "strong", "em", "code", "pre", "details", "summary"}
    assert set(seen.tags) <= known | {"table", "thead", "tbody", "tr", "th", "td"}
    assert {key for key, _ in seen.attributes} <= {"class", "style"}
    assert all(len(set(rows)) == 1 for rows in seen.rows)
    assert text.count(BEGIN) == text.count(END) == 1
    assert not re.search(r"\bnan\b|\binf\b|None|Undefined", text)
    assert "\n\n\n" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_hostile_names_are_there_to_be_read() -> None:
    results = hostile()
    for name in (HOSTILE, clean(BREAKOUT)):
        word = HOSTILE if name == HOSTILE else BREAKOUT
        text = Seen(ModelCard(cards.card(contents(results), word).text).text).text
        assert name in text
        assert html.escape(name) not in text


def test_the_same_records_give_the_same_bytes_in_any_order() -> None:
    results = checkpoint()
    one, other = (cards.card(contents(some), "org/m") for some in (results, results[::-1]))
    assert one == other


def test_a_card_is_written_without_torch() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from made_cards import *\n"
        "assert card(contents(checkpoint()), 'org/m').text\n"
        "heavy = {'torch', 'transformers', 'datasets', 'evaluate', 'peft', 'timm', 'matplotlib', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent)], check=True, timeout=120)


def test_eight_checkpoints_worth_of_tasks_take_less_than_a_second(tmp_path: Path) -> None:
    import jinja2  # noqa: F401  # its import is no part of the card's time

    store = Store(str(tmp_path))
    for task in range(8):
        for result in grid({f"org/m{i}": 0.5 + i / 20 for i in range(8)}, [f"t{task}"], seeds=3, n=500):
            store.put(result)
    cards.card(store, "org/m1")
    started = time.perf_counter()
    cards.card(store, "org/m3")
    assert time.perf_counter() - started < 1


# -- what a card says --------------------------------------------------------------------------------------------------


def test_a_card_tells_scores_twins_collapses_overlap_and_what_is_left_out() -> None:
    text = cards.card(contents(checkpoint()), "org/m").text
    for said in (
        "`full` comes first with an M of",
        "| `sst2` | accuracy |",
        "less is better",
        "\\* one seed",
        "| **M** |",
        "70.0 (4 left out)",
        "| sst2 | minhash v1 (jaccard 0.8) | 180 | 3 | 1 | 76 |",
        "No record says it of `banking`, `own` and `distance`: nobody looked.",
        "The data of `own` lie in files",
        "--init random",
        COMMIT,
        "nyu-mll/glue (sst2), licence other",
    ):
        assert said in text, said
    twins = re.findall(r"\| `(\w+)` \| `full` \| \S+ ±\S+ \| \S+ ±\S+ \| \+\S+ \(\+\S+ to \+\S+\) \|", text)
    assert twins == ["banking", "own", "sst2"]


def test_collapsed_and_missing_runs_are_marked() -> None:
    results = runs("m", "a", 0.8, 1) + runs("m", "b", 0.8, 2) + runs("m", "a", 0.5, 1, strategy="lora", collapsed=True)
    text = cards.card(contents(results), "m").text
    assert "±" in text
    assert re.search(r"\| `a` \| accuracy \| \S+ ±\S+ \| \S+ ±\S+! \|", text)
    assert "! a run collapsed to guessing" in text
    assert "3 of 3" in text
    assert "`full` alone has a score of every task" in text


def test_without_a_twin_a_card_says_what_would_tell() -> None:
    text = cards.card(contents(runs("m", "a", 0.8, 1)), "m").text
    assert "No run from random weights is among the records" in text
    assert f"suite run -m m@{COMMIT} -t a -s full --seeds 3 --protocol standard --init random" in text


@pytest.mark.parametrize(
    "request_",
    [
        Request(("bundled/tiny-bert",), ("wordnet-pos", "wordnet-relation"), ("linear_probe", "full"), 2, "quick"),
        Request(("bundled/tiny-bert",), ("wordnet-pos",), ("lora",), 1, "quick", "pretrained", "kfold:3"),
        Request(("bundled/tiny-bert",), ("wordnet-pos", "wordnet-relation"), ("full",), 2, "quick", joint=True),
    ],
    ids=["grid", "folds", "joint"],
)
def test_the_commands_make_the_same_runs_again(request_: Request, tmp_path: Path) -> None:
    def made_of(spec: RunSpec, task: str) -> Any:
        fields: dict[str, Any] = {name: getattr(spec, name) for name in RunSpec.model_fields}
        return made(spec.checkpoint.name, task, [1.0, 0.0, 1.0, 1.0], spec_fields=fields)

    results = [made_of(spec, task.name) for spec in plan(request_) for task in spec.tasks]
    text = cards.card(contents(results), "bundled/tiny-bert").text
    again = text[text.index("### Do it again") :]
    planned = set()
    for command in re.findall(r"^suite run .*$", again, re.MULTILINE):
        answer = call(*shlex.split(command)[1:], "--dry-run", "--store", tmp_path / "s")
        assert answer.code == 0, answer.err
        planned |= {line.split()[0] for line in answer.out.splitlines() if "to run " in line and "·" in line}
    assert planned == {spec.key()[:12] for spec in plan(request_)}


def test_the_card_of_an_adapter_tells_these_weights_and_all_seeds(tmp_path: Path) -> None:
    store, key = adapter(tmp_path)
    text = cards.kept_card(store, key[:8], repo="org/mine").text
    own = store.get(key).score
    rows = re.findall(r"\| `accuracy` \| (\S+) \| (\S+) \| (\S+) to (\S+) \|", text)
    ((mine, mean, low, high),) = rows
    assert float(mine) == pytest.approx(own, abs=1e-4)
    assert float(low) < float(mean) < float(high)
    assert float(mean) == pytest.approx(np.mean([e.head.score for e in store.contents().entries]), abs=1e-4)
    for said in ("An adapter: `org/m`", "one of 2 labels", "`bad` and `good`", "licence of the data | other", COMMIT):
        assert said in text, said
    assert 'PeftModel.from_pretrained(base, "org/mine")' in text
    assert f"suite predict {key[:12]}" in text
    assert "3 seeds" in text
    assert "On the 76 test rows that they do not hold, these weights have `accuracy` 0.7." in text


def test_a_kept_card_fetches_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, key = adapter(tmp_path)
    text = cards.kept_card(store, key).text

    def fetched(*args: Any) -> Any:
        raise AssertionError("all of the weights are fetched")

    monkeypatch.setattr(Store, "weights", fetched)
    assert cards.kept_card(Store(store.url), key).text == text


def test_a_further_attempt_that_kept_its_weights_has_a_card(tmp_path: Path) -> None:
    from dataclasses import replace

    store = Store(str(tmp_path / "s"))
    (result,) = runs("org/m", "sst2", 0.8, 1, 1, task_fields=GLUE)
    store.put(result)
    keep(Store(str(tmp_path / "other")), result, tmp_path / "w", library="transformers")
    with Store(str(tmp_path / "other")).weights(result.record.key) as folder:
        store.put(replace(result, weights=str(folder)), again=True)
    assert "attempt 2" in cards.kept_card(store, result.record.key).text


# -- metadata ----------------------------------------------------------------------------------------------------------


def test_the_model_index_is_read_back_by_the_hubs_own_client() -> None:
    card = cards.card(contents(checkpoint()), "org/m")
    data = ModelCard(card.text).data
    assert data.model_name == "m"
    told = {(one.task_name, *one.metric_name.split(", ")[:2]): one for one in data.eval_results}
    mains = {("sst2", "accuracy"), ("banking", "accuracy"), ("distance", "mean_squared_error")}
    assert set(told) == {(*one, way) for one in mains | {("banking", "f1_macro")} for way in ("full", "lora")}
    sst2 = told["sst2", "accuracy", "full"]
    assert (sst2.dataset_type, sst2.dataset_config, sst2.dataset_split) == ("nyu-mll/glue", "sst2", "validation")
    assert sst2.dataset_revision == GLUE["dataset"].revision
    assert (sst2.task_type, sst2.metric_type) == ("text-classification", "accuracy")
    assert sst2.source_url is sst2.source_name is None  # nobody said where these records can be seen
    assert sst2.metric_name.endswith(", holdout, by Transfer Suite")
    mean = np.mean([r.record.score for r in checkpoint() if is_of(r.record, "sst2", "full")])
    assert sst2.metric_value == pytest.approx(mean, abs=1e-6)
    assert re.search(r"mean of 3 seeds, 95% interval \S+ to \S+, 80 test rows, protocol standard v1", sst2.metric_name)
    assert told["distance", "mean_squared_error", "full"].metric_type == "mse"
    other = told["banking", "f1_macro", "lora"]  # what else was measured stands beside the main metric
    means = [r.record.metrics["f1_macro"] for r in checkpoint() if is_of(r.record, "banking", "lora")]
    assert (other.metric_type, other.metric_value) == ("f1", pytest.approx(np.mean(means), abs=1e-6))
    assert "interval" not in other.metric_name
    assert "own" not in card.text.partition("# `org/m`")[0]
    assert data.tags == ["transfer-suite"]
    assert data.metrics == ["accuracy", "f1", "mse"]
    assert ModelCard(str(ModelCard(card.text))).data.to_dict() == data.to_dict()


def is_of(record: Any, task: str, way: str) -> bool:
    checkpoint = record.spec.checkpoint
    return (record.task, record.spec.strategy, checkpoint.name, checkpoint.init) == (task, way, "org/m", "pretrained")


def test_results_are_read_back_by_the_hubs_own_client() -> None:
    results = cards.card(contents(checkpoint()), "org/m", source="https://example.org/records").eval_results
    assert sorted(results) == [
        f".eval_results/transfer-suite-{task}-{way}.yaml"
        for task in ("banking", "distance", "sst2")
        for way in ("full", "lora")
    ]
    (entry,) = parse_eval_result_entries(yaml.safe_load(results[".eval_results/transfer-suite-sst2-lora.yaml"]))
    assert (entry.dataset_id, entry.task_id, entry.dataset_revision) == ("nyu-mll/glue", "sst2", "bcdc" * 10)
    assert (entry.source_url, entry.source_name) == ("https://example.org/records", "Transfer Suite")
    assert entry.date == "2026-01-01T00:00:00+00:00"
    assert entry.notes is not None
    assert entry.notes.startswith("accuracy, lora, mean of 3 seeds, 95% interval ")


def test_a_kept_card_has_the_metadata_that_are_known(tmp_path: Path) -> None:
    store, key = adapter(tmp_path)
    card = cards.kept_card(store, key, repo="me/mine", licence="mit")
    data = ModelCard(card.text).data
    known = (data.license, data.library_name, data.pipeline_tag, data.base_model, data.datasets)
    assert known == ("mit", "peft", "text-classification", "org/m", ["nyu-mll/glue"])
    assert data.to_dict()["base_model_relation"] == "adapter"
    assert data.model_name == "mine"
    (result,) = data.eval_results
    assert result.metric_value == pytest.approx(store.get(key).score, abs=1e-6)
    assert result.metric_name.startswith("accuracy, lora, these weights (seed 0); of all seeds 0.")
    assert list(card.eval_results) == [".eval_results/transfer-suite-sst2-lora.yaml"]


def test_what_has_no_name_on_the_hub_is_left_out_and_said(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "s"))
    spec = {"checkpoint": CheckpointRef(name="mine", revision=f"sha256:{'0' * 64}")}
    result = made("mine", "own", [1.0, 0.0] * 20, strategy="linear_probe", task_fields=OWN, spec_fields=spec)
    key = keep(store, result, tmp_path / "w", library="safetensors", auto=None)
    card = cards.kept_card(store, key)
    assert set(card.metadata) == {"pipeline_tag", "metrics", "tags"}
    assert card.eval_results == {}
    assert "The data of `own` lie in files" in card.text
    assert "`mine` is no name on the Hub" in card.text
    assert "model-index" not in cards.card(store, "mine").metadata


def test_numbers_that_are_none_stay_out_of_metadata() -> None:
    results = runs("m", "a", 0.8, 1, 1, task_fields=BANKING, metrics={"accuracy": float("nan")})
    facts = [
        _metadata.Fact(r.record.spec, r.record.task_spec, "accuracy", r.record.score, "", "", "full") for r in results
    ]
    assert _metadata.usable(facts) == []


@pytest.mark.parametrize("kind", kinds.names())
def test_every_kind_has_a_task_of_the_hubs(kind: str) -> None:
    known = (
        "text-classification",
        "token-classification",
        "multiple-choice",
        "question-answering",
        "image-classification",
    )
    assert _metadata.pipeline_of(kind) in known


def test_the_source_is_where_a_store_can_be_seen() -> None:
    assert _metadata.source_of("hf://datasets/org/results/sub") == "https://huggingface.co/datasets/org/results"
    assert _metadata.source_of("hf://datasets/org/results@main") == "https://huggingface.co/datasets/org/results"
    assert _metadata.source_of("/home/me/secret") is _metadata.source_of("s3://key:word@bucket/x") is None
    made = cards.card(contents(checkpoint()), "org/m", source="hf://datasets/org/results")
    sources = {result.source_url for result in ModelCard(made.text).data.eval_results}
    assert sources == {"https://huggingface.co/datasets/org/results"}
    with pytest.raises(SuiteError, match="is no address"):
        cards.card(contents(checkpoint()), "org/m", source="javascript:alert(1)")


@pytest.mark.parametrize("before", [None, "https://example.org/a"])
@pytest.mark.parametrize("after", [None, "https://example.org/b"])
def test_entries_are_ours_with_and_without_a_source(before: str | None, after: str | None) -> None:
    theirs = {"task": {"type": "x"}, "dataset": {"name": "d", "type": "d"}, "metrics": [{"type": "f1", "value": 1}]}
    front = yaml.safe_dump({"model-index": [{"name": "m", "results": [theirs]}]})
    first, second = (cards.card(contents(checkpoint()), "org/m", source=one) for one in (before, after))
    text = cards.merge(cards.merge(f"---\n{front}---\n# M\n", first), second)
    (model,) = yaml.safe_load(text.split("---\n")[1])["model-index"]
    assert model["results"] == [theirs, *second.metadata["model-index"][0]["results"]]
    assert cards.merge(text, second) == text


def test_the_licence_is_what_the_checkpoints_own_card_says(tmp_path: Path) -> None:
    bundled = hub.resolve("bundled/tiny-bert")
    mine = tmp_path / "mine"
    shutil.copytree(hub.fetch(bundled), mine)
    (mine / "README.md").write_text("---\nlicense: mit\n---\n")
    (mine / "vocab.txt").write_text("its own")
    ref = hub.resolve(str(mine))
    results = [made(one.name, "t", [1.0, 0.0], spec_fields={"checkpoint": one}) for one in (bundled, ref)]
    told = cards.card(contents(results), "bundled/tiny-bert", ask=True).metadata
    assert (told["license"], told["license_name"]) == ("other", "wordnet-3.0")
    assert cards.card(contents(results), str(mine), ask=True).metadata["license"] == "mit"
    assert cards.card(contents(results), str(mine), ask=True, licence="cc0-1.0").metadata["license"] == "cc0-1.0"
    assert "license" not in cards.card(contents(results), str(mine)).metadata
    assert hub.facts(ref).licence == "mit"
    for none in ("[", "[mit]", "2", f"m{'i' * 400}t", '"m\\ei"', '""'):
        (mine / "README.md").write_text(f"---\nlicense: {none}\n---\n")
        assert "license" not in cards.card(contents(results), str(mine), ask=True).metadata
        assert hub.facts(ref).licence is None, none


def test_where_a_split_was_cut_out_of_others_none_is_named() -> None:
    carved = BANKING | {"splits": {"train": "train", "test": {"from": "train", "fraction": 0.2}}}
    folded = {"resample": "kfold:2", "checkpoint": CheckpointRef(name="m", revision=COMMIT)}
    for results in (
        runs("m", "a", 0.8, 1, task_fields=carved),
        [made("m", "a", [1.0, 0.0] * 9, task_fields=BANKING, spec_fields=folded | {"fold": fold}) for fold in (0, 1)],
        runs("m", "a", 0.8, 1, task_fields=BANKING, strategy="few_shot"),
    ):
        (model,) = cards.card(contents(results), "m").metadata["model-index"]
        assert [result["dataset"].get("split") for result in model["results"]] == [None]


# -- an existing card --------------------------------------------------------------------------------------------------

AUTHORS = """---
# kept by hand
license: "mit"   # ours
language: no
tags: [bert, 'en']
model-index:
- name: theirs
  results:
  - task: {type: text-classification}   # a comment
    dataset:
      type: glue
      name: GLUE
      config: no
    metrics:
    - {type: accuracy, value: 0.90}
date: 2024-01-01
---
# My model

Words, <b>words</b>.

<!-- transfer-suite:begin --> a stray mark
"""


@functools.cache
def a_card() -> Card:
    return cards.card(contents(checkpoint()), "org/m")


@functools.cache
def another_card() -> Card:
    return cards.card(contents([r for r in checkpoint() if r.record.task != "banking"]), "org/m")


def test_an_authors_card_keeps_every_line() -> None:
    merged = cards.merge(AUTHORS, a_card())
    left = iter(merged.splitlines())
    assert all(line in left for line in AUTHORS.splitlines())  # each is there, in this order
    theirs, ours = yaml.safe_load(AUTHORS.split("---")[1]), ModelCard(merged).data
    told = ours.to_dict()
    assert (told["license"], told["tags"], told["language"]) == ("mit", ["bert", "en"], False)
    assert told["metrics"] == ["accuracy", "f1", "mse"]
    assert told["model-index"][0]["results"][0] == theirs["model-index"][0]["results"][0]
    assert len(ours.eval_results) == 1 + len(ModelCard(a_card().text).data.eval_results)
    assert "## How well `org/m` adapts" in merged


def test_only_our_part_changes_and_comes_out_again() -> None:
    later = AUTHORS + "\nLater words.\n"
    once = cards.merge(AUTHORS, a_card())
    moved = f"{once}\nLater words.\n"  # the author goes on below our section
    again = cards.merge(moved, another_card())
    assert "org/banking" in once.partition("# My model")[0]
    assert [one.dataset_name for one in ModelCard(again).data.eval_results].count("nyu-mll/glue sst2") == 2
    assert cards.merge(again, a_card()) == moved
    bare = cards.merge(again, Card("m", "Nothing.", {"tags": ["transfer-suite"]}))
    front, _, rest = bare.partition("# My model")
    assert front == AUTHORS.partition("# My model")[0]
    assert re.sub(f"\n{BEGIN}\n[\\S\\s]*{END}\n", "", rest) == later.partition("# My model")[2]


def test_metadata_of_ours_that_the_author_edited_are_the_authors() -> None:
    first = cards.merge("", a_card())
    edited = first.replace("- mse\n", "- mse\n- mine\n", 1)
    again = cards.merge(edited, another_card())
    assert ModelCard(again).data.metrics == ["accuracy", "f1", "mse", "mine"]
    assert ModelCard(cards.merge(first, Card("m", "x", {"metrics": ["f1"], "tags": []}))).data.metrics == ["f1"]
    assert ModelCard(cards.merge(first, Card("m", "x", {"tags": ["t"]}))).data.metrics is None


def test_front_matter_of_other_layouts_keeps_its_values() -> None:
    for front in (
        "{license: mit, tags: [a]}",
        "license: mit\nmodel-index: [{name: m, results: [{task: {type: x}, dataset: {type: d, name: no}}]}]",
        "  license: mit\n  tags:\n  - a",
        "license: mit\nmodel-index:\n- name: m\n  results: []",
        "license: mit\ndescription: |\n  two\n  lines\n\n",
        "? license\n: mit",
        "",
    ):
        existing = f"---\n{front}\n---\nwords\n"
        merged = cards.merge(existing, a_card())
        assert cards.merge(merged, a_card()) == merged
        before, after = yaml.safe_load(front) or {}, yaml.safe_load(merged.split("---\n")[1])
        for key in before.keys() - {"model-index"}:
            assert after[key] == before[key]
        theirs = [one for model in before.get("model-index", []) for one in model["results"]]
        assert after["model-index"][0]["results"][: len(theirs)] == theirs
        assert merged.endswith(f"{END}\n")
        assert "\nwords\n" in merged


@pytest.mark.parametrize(
    ("front", "why"),
    [
        ("license: [mit", "cannot be read: line 3"),
        ("- a\n- b", "are no mapping"),
        ("model-index: &x [{name: a, results: *x}]", "or has references"),
        ("x: !!python/object:os.system {}", "cannot be read"),
        ("a: &a [x]\n" + "\n".join(f"b{i}: *a" for i in range(30)), "30 references"),
        ("model-index: mine", "model-index is no list of models"),
        ("a: \x07", "cannot be read"),
    ],
)
def test_metadata_that_cannot_be_added_to_are_refused_in_a_sentence(front: str, why: str) -> None:
    with pytest.raises(SuiteError, match=why) as told:
        cards.merge(f"---\n{front}\n---\nwords\n", a_card())
    assert "\n" not in str(told.value)


KEYS = st.dictionaries(
    st.sampled_from(["license", "tags", "metrics", "language", "co2", "datasets", "title: x"]),
    st.one_of(st.text(max_size=12), st.lists(st.text(max_size=5), max_size=3), st.booleans(), st.floats(), st.none()),
    max_size=4,
)
RESULT = st.fixed_dictionaries(
    {
        "task": st.fixed_dictionaries({"type": st.text(min_size=1, max_size=5)}),
        "dataset": st.fixed_dictionaries({"type": st.text(max_size=5), "name": st.text(max_size=5)}),
        "metrics": st.lists(st.fixed_dictionaries({"type": st.text(max_size=4), "value": st.floats(0, 1)}), max_size=2),
    }
)
INDEX = st.none() | st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=5), "results": st.lists(RESULT, max_size=3)}
)
FENCED = re.compile(r"\s*---(?:\r\n|\r|\n)([\S\s]*?)(?:\r\n|\r|\n)---")
BODY = st.lists(
    st.sampled_from(["# Title", "", "words", BEGIN, END, "---", "```", "<details>", "a: b", "é\u2028x", "  "]),
    max_size=8,
)


@given(KEYS, INDEX, BODY, st.sampled_from(["\n", "\r\n"]), st.sampled_from([None, True, False]))
def test_merging_twice_changes_nothing_and_loses_nothing(
    keys: dict[str, Any], index: Any, body: list[str], end: str, flow: bool | None
) -> None:
    values = keys | ({"model-index": [index]} if index else {})
    front = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=flow) if values else ""
    fenced = f"---\n{front}---\n" if values else ""
    words = "\n".join(body)
    existing = (fenced + words).replace("\n", end)
    assume(values or not FENCED.match(existing))
    merged = cards.merge(existing, a_card())
    assert cards.merge(merged, a_card()) == merged
    assert cards.merge(cards.merge(merged, another_card()), a_card()) == merged
    if not existing.strip():
        assert merged == a_card().text
        return
    assert "\r\n" not in existing or "\n" not in merged.replace("\r\n", "")
    front_then, front_now = (FENCED.match(text) for text in (existing, merged))
    assert front_now is not None
    now = yaml.safe_load(front_now[1])
    for key, value in (yaml.safe_load(front) if front_then and values else {}).items():
        if key != "model-index":
            assert repr(now[key]) == repr(value)
    if index and front_then:
        theirs = yaml.safe_load(front)["model-index"][0]["results"]
        assert now["model-index"][0]["results"][: len(theirs)] == theirs
    outside = re.sub(f"{BEGIN}(?:(?!{BEGIN}|{END})[\\S\\s])*{END}", "", merged[front_now.end() :])
    kept = re.sub(f"{BEGIN}(?:(?!{BEGIN}|{END})[\\S\\s])*{END}", "", words)
    assert outside.split() == kept.split()


# -- the code on a card ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tiny_bert: Path, tiny_resnet: Path, tiny_protocol: Path) -> KeptRuns:
    return kept_runs(tiny_bert, tiny_resnet, tiny_protocol)


def blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_the_code_of_a_card_loads_the_weights_and_answers_as_stored(
    kind: str, way: str, kept: KeptRuns, tmp_path: Path
) -> None:
    card = cards.kept_card(kept.store, kept.records[kind, way].key)
    load, ask = blocks(card.text)
    result, rows = kept.result(kind, way), kept.inputs(kind, way)
    assert len([line for line in load.splitlines() if line and not re.match("from|import", line)]) <= 3
    weights, base = kept.folder(kind, way), kept.base(kind)
    local = f'"local-dir:{weights}"', f'"local-dir:{base}"'
    load = load.replace('"local-dir:weights"', local[0]).replace(f'"local-dir:{base.name}"', local[1])
    load = load.replace('"weights"', f'"{weights}"').replace(f'"{base.name}"', f'"{base}"')
    names: dict[str, Any] = {}
    exec(load, names)  # that it can be carried out is what is tested
    for row, shown in list(zip(rows, result.columns["prediction"], strict=True))[:4]:
        exec(asked(ask, kind, row, tmp_path), names)
        assert agrees(names["answer"], shown, kind), (names["answer"], shown)


def test_the_code_of_a_card_loads_a_vision_transformer_and_an_adapter_on_random_weights(
    save_transformers: Any, tiny_bert: Path, image_task: Path, text_task: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    vit = save_transformers(ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, **size)), "tiny-vit")
    place = {"protocol": str(tiny_protocol), "store": tmp_path / "s", "device": "cpu", "threads": 1, "seeds": 1}
    suite.run(str(vit), str(image_task), ("full", "lora"), keep_weights=True, **place)
    suite.run(str(tiny_bert), str(text_task), "lora", init="random", keep_weights=True, **place)
    store = Store(str(tmp_path / "s"))
    for entry in store.contents().entries:
        load, ask = blocks(cards.kept_card(store, entry.head.key).text)
        base = vit if entry.head.task == "colour" else tiny_bert
        with store.weights(entry.head.key) as weights:
            names: dict[str, Any] = {}
            exec(load.replace('"weights"', f'"{weights}"').replace(f'"{base.name}"', f'"{base}"'), names)
        spec = entry.record.spec
        file = image_task if entry.head.task == "colour" else text_task
        task = spec.tasks[0].model_copy(update={"file": str(file)})
        columns = evaluation.load_rows(task, spec)[-1].test.columns
        for place_of, shown in enumerate(entry.table["prediction"][:4]):
            row = {name: cells[place_of] for name, cells in columns.items()}
            exec(asked(ask, entry.task_spec.kind, row, tmp_path), names)
            assert agrees(names["answer"], shown, entry.task_spec.kind)


def test_a_card_tells_of_tasks_that_shared_a_trunk_and_of_folds(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "s"))
    (one,), (other,) = (runs("org/m", name, 0.8, 1, 1, task_fields=GLUE) for name in ("sst2", "other"))
    tasks = (*one.record.spec.tasks, *other.record.spec.tasks)
    joint = {"checkpoint": one.record.spec.checkpoint, "tasks": tasks, "mixture": Mixture()}
    folded = {"checkpoint": one.record.spec.checkpoint, "resample": "kfold:3", "fold": 1}
    cases = (
        (joint, ("trained together with | `other`", "--joint")),
        (folded, ("`kfold:3`, number 2", "--resample kfold:3")),
    )
    for number, (fields, said) in enumerate(cases):
        result = made("org/m", "sst2", [1.0, 0.0] * 20, strategy="full", task_fields=GLUE, spec_fields=fields)
        key = keep(store, result, tmp_path / f"w{number}", library="transformers")
        text = cards.kept_card(store, key).text
        assert all(part in text for part in said), text


def asked(code: str, kind: str, row: dict[str, Any], folder: Path) -> str:
    """Return the code with a row in the place of the card's example."""
    if kind in IMAGES:
        (folder / "picture.png").write_bytes(row["image"])
        return code.replace('"picture.jpg"', repr(str(folder / "picture.png")))
    for example, name in (
        ('"Who was it?"', "question"),
        ('"It was the cat."', "context"),
        ('["A", "few", "words"]', "tokens"),
        ('["choice 1", "choice 2"]', "choices"),
        ('"Another text"', "text_pair"),
        ('"A text"', "text"),
    ):
        if name in row:
            code = code.replace(example, repr(row[name]))
    return code


def agrees(answer: Any, shown: str, kind: str) -> bool:
    """Return whether what a card's code answers is what the record has."""
    import json

    from suite.prediction import Labelled, Number

    if isinstance(answer, Labelled):
        return answer.labels[0] == shown or list(answer.labels) == json.loads(shown)
    if isinstance(answer, Number):
        return answer.value == pytest.approx(float(shown), abs=2e-5)
    if kind == "text_similarity":
        return float(answer) == pytest.approx(float(shown), abs=2e-5)
    if kind in (
        "token_classification",
        "multi_label_classification",
        "image_multi_label_classification",
        "question_answering",
    ):
        return answer == json.loads(shown)
    if kind == "multiple_choice":
        return isinstance(answer, str)
    return answer == shown


def test_the_choice_of_a_cards_code_is_the_stored_one(kept: KeptRuns, tmp_path: Path) -> None:
    load, ask = blocks(cards.kept_card(kept.store, kept.records["multiple_choice", "full"].key).text)
    names: dict[str, Any] = {}
    exec(load.replace('"weights"', f'"{kept.folder("multiple_choice", "full")}"'), names)
    stored = kept.result("multiple_choice", "full").columns["prediction"]
    for row, shown in list(zip(kept.inputs("multiple_choice", "full"), stored, strict=True))[:6]:
        exec(asked(ask, "multiple_choice", row, tmp_path), names)
        assert names["answer"] == row["choices"][int(shown)]


# -- the command, and words that mean nothing --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("filled")
    store, _ = adapter(folder)
    for result in checkpoint():
        store.put(result)
    other = {"checkpoint": CheckpointRef(name="org/m2", revision="a" * 40)}
    newer = {"checkpoint": CheckpointRef(name="org/m2", revision="b" * 40)}
    random = {"checkpoint": CheckpointRef(name="org/only", revision="b" * 40, init="random")}
    for spec in (other, newer, random):
        store.put(made("x", "t", [1.0, 0.0], spec_fields=spec))
    return store.url


def test_the_command_prints_and_writes(filled: str, tmp_path: Path) -> None:
    printed = call("card", "org/m", "--store", filled)
    assert printed.code == 0
    assert printed.out == cards.card(filled, "org/m").text
    path = tmp_path / "new" / "README.md"
    answer = call("card", "org/m", "-o", path, "--store", filled, "--eval-results")
    assert answer.code == 0, answer.err
    assert path.read_text(encoding="utf-8") == printed.out
    results = cards.card(filled, "org/m").eval_results
    assert {str(one.relative_to(path.parent)) for one in path.parent.glob(".eval_results/*")} == set(results)
    path.write_text(AUTHORS, encoding="utf-8")
    assert "what is not ours in it stays" in call("card", "org/m", "-o", path, "--store", filled).out
    assert path.read_text(encoding="utf-8") == cards.merge(AUTHORS, cards.card(filled, "org/m"))
    only = call("card", "org/m", "--store", filled, "-s", "lora", "--protocol", "standard").out
    assert "`full`" not in only
    assert "`lora`" in only


def test_the_command_takes_a_key(filled: str) -> None:
    key = next(e.head.key for e in Store(filled).contents().entries if e.record.artifact)
    answer = call("card", key[:9], "--store", filled, "--repo", "me/mine", "--license", "mit")
    assert answer.code == 0, answer.err
    assert "# mine\n" in answer.out
    assert answer.out.startswith("---\nlicense: mit\n")


def test_words_that_mean_nothing_are_one_sentence_and_exit_2(filled: str, tmp_path: Path) -> None:
    bare = made("x", "t", [1.0, 0.0], spec_fields={"checkpoint": CheckpointRef(name="org/m2", revision="a" * 40)})
    (tmp_path / "taken").write_text("")
    (tmp_path / "latin.md").write_bytes(b"\xff\xfe")
    for words, why in (
        (["org/n"], "No checkpoint in the store named 'org/n'. Did you mean 'org/m'?"),
        (["org/m2"], "is in the store at 2 revisions; name one: 'org/m2@aaaaaaaaaaaa', 'org/m2@bbbbbbbbbbbb'"),
        (["org/only"], "holds only runs of 'org/only' from random weights"),
        ([bare.record.key], "kept no weights; run it again with --keep-weights"),
        (["0" * 12], "No checkpoint in the store named"),
        (["org/m", "-s", "few_shot"], "holds no record of 'org/m' that fits: strategy few_shot"),
        (["org/m", "--protocol", "x"], "that fits: protocol x"),
        (["org/m", "-o", tmp_path / "taken" / "x.md"], "cannot be written"),
        (["org/m", "-o", tmp_path], "cannot be written"),
        (["org/m", "-o", tmp_path / "latin.md"], "cannot be written"),
        (["org/m", "--eval-results"], "name it with -o FILE"),
    ):
        answer = call("card", *words, "--store", filled)
        assert answer.code == 2, (words, answer)
        assert answer.out == ""
        (mistake,) = answer.mistakes
        assert why in mistake
    assert call("card", "org/m2@aaaa", "--store", filled).code == 0


def test_a_checkpoint_is_known_by_its_folder(tiny_bert: Path, tmp_path: Path) -> None:
    from suite.hub import resolve

    ref = resolve(str(tiny_bert))
    results = [made("x", "t", [1.0, 0.0], spec_fields={"checkpoint": ref.model_copy(update={"name": "called-so"})})]
    assert "`called-so` at the content hash" in cards.card(contents(results), str(tiny_bert)).text


def test_protocols_and_cuts_beside_the_one_shown_are_told() -> None:
    other = PROTOCOL.model_copy(update={"version": 2})
    results = runs("m", "a", 0.8, 1) + runs("m", "a", 0.8, 1, 1, protocol=other)
    text = cards.card(contents(results), "m").text
    assert "Left out of this card:\n\n- 1 records of another protocol: p v2" in text
    assert "p v2" in cards.card(contents(results), "m", protocol="p").text
