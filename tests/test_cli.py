"""The command line as a contract: flags, exit codes and JSON fields that scripts rely on."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import SUITE, Told, call, records

from suite.cli import _spread_words
from suite.store import Store

RUN_FIELDS = {
    "key": str,
    "model": str,
    "revision": str,
    "init": str,
    "task": str,
    "task_version": int,
    "strategy": str,
    "seed": int,
    "main": str,
    "metrics": dict,
    "n_test": int,
    "seconds": float,
    "collapsed": bool,
    "stored": bool,
}
ROW_FIELDS = {
    "model": str,
    "revision": str,
    "strategy": str,
    "mean": float,
    "interval": list,
    "mean_rank": float,
    "rank": int,
    "tie_group": int,
    "coverage": float,
    "provisional": bool,
    "tasks": dict,
    "params": int,
    "trainable_params": int,
    "seconds": float,
}


def has_fields(value: dict[str, Any], fields: dict[str, type]) -> None:
    for name, kind in fields.items():
        assert name in value, f"{name} is missing"
        assert isinstance(value[name], kind), f"{name} is {value[name]!r}, no {kind.__name__}"


@pytest.fixture(scope="module")
def words(tiny_bert: Path, text_task: Path, tiny_protocol: Path) -> list[Any]:
    place = ["--protocol", tiny_protocol, "--device", "cpu", "--threads", 1]
    return ["run", "-m", tiny_bert, "-t", text_task, "-s", "linear_probe", *place]


@pytest.fixture(scope="module")
def run(words: list[Any]) -> Callable[..., Told]:
    return lambda *more: call(*words, *more)


@pytest.fixture(scope="module")
def filled(run: Callable[..., Told], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    """A store of two seeds, and what `run --json` said of it."""
    store = tmp_path_factory.mktemp("filled") / "results"
    told = run("--store", store, "--json")
    assert told.code == 0, told.err
    return store, told


# -- run ---------------------------------------------------------------------------------------------------------------


def test_run_json_is_one_object_a_run_with_the_promised_fields(filled: tuple[Path, Told]) -> None:
    store, told = filled
    assert [line["seed"] for line in told.objects] == [0, 1]  # the protocol's number of seeds
    assert told.err == ""
    for line in told.objects:
        has_fields(line, RUN_FIELDS)
        assert line["model"] == "tiny-bert"
        assert line["revision"].startswith("sha256:")
        assert (line["task"], line["task_version"], line["strategy"]) == ("mood", 1, "linear_probe")
        assert line["main"] in line["metrics"]
        assert line["n_test"] == 40
        assert line["stored"] is False
        assert Store(str(store)).get(line["key"]).metrics == line["metrics"]


def test_what_is_stored_comes_back_at_once_and_is_not_run_again(
    filled: tuple[Path, Told], run: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    from suite import evaluation

    def never(*args: Any) -> None:
        raise AssertionError("a stored run was run again")

    monkeypatch.setattr(evaluation, "evaluate", never)
    store, first = filled
    before = {entry: (entry / "record.json").read_bytes() for entry in records(store)}
    again = run("--store", store, "--json")
    assert again.code == 0
    assert again.objects == [line | {"stored": True} for line in first.objects]
    assert {entry: (entry / "record.json").read_bytes() for entry in records(store)} == before


def test_more_seeds_run_only_what_is_missing(run: Callable[..., Told], tmp_path: Path) -> None:
    assert [line["stored"] for line in run("--store", tmp_path, "--seeds", 1, "--json").objects] == [False]
    assert [line["stored"] for line in run("--store", tmp_path, "--seeds", 3, "--json").objects] == [True, False, False]


def test_the_same_command_in_two_fresh_stores_gives_equal_bytes(
    filled: tuple[Path, Told], run: Callable[..., Told], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFER_SUITE_CACHE", str(tmp_path / "cache"))  # features are computed again too
    assert run("--store", tmp_path / "results").code == 0
    one, other = ({e.name: (e / "predictions.parquet").read_bytes() for e in records(s)} for s in
                  (filled[0], tmp_path / "results"))  # fmt: skip
    assert one == other
    assert len(one) == 2


def test_training_twice_gives_equal_bytes(run: Callable[..., Told], tmp_path: Path) -> None:
    for name in ("one", "other"):
        assert run("-s", "full", "-s", "lora", "--seeds", 1, "--store", tmp_path / name).code == 0
    one, other = ({e.name: (e / "predictions.parquet").read_bytes() for e in records(tmp_path / name)} for name in
                  ("one", "other"))  # fmt: skip
    assert one == other
    assert len(one) == 3


def test_force_keeps_a_further_attempt_beside_the_first(run: Callable[..., Told], tmp_path: Path) -> None:
    (first,) = run("--store", tmp_path, "--seeds", 1, "--json").objects
    (second,) = run("--store", tmp_path, "--seeds", 1, "--json", "--force").objects
    assert (second["key"], second["metrics"], second["stored"]) == (first["key"], first["metrics"], False)
    assert [entry.name for entry in records(tmp_path)] == [f"{first['key']}-1", f"{first['key']}-2"]
    again = Store(str(tmp_path)).get(first["key"], 2)
    assert (again.attempt, again.parent) == (2, f"{first['key']}-1")
    (row,) = json.loads(call("leaderboard", "--store", tmp_path, "--format", "json").out)
    assert row["tasks"]["mood"]["seeds"] == 1


def test_dry_run_says_what_is_stored_and_what_is_to_run_and_runs_nothing(
    filled: tuple[Path, Told], run: Callable[..., Told]
) -> None:
    store, _ = filled
    before = records(store)
    told = run("--store", store, "--seeds", 3, "--dry-run")
    assert told.code == 0
    *lines, last = told.out.splitlines()
    assert [line.split()[1] for line in lines] == ["stored", "stored", "to"]
    assert "tiny-bert · mood · linear_probe · seed 2" in lines[2]
    assert last == "1 to run, 2 stored."
    assert records(store) == before


def test_dry_run_makes_no_store(run: Callable[..., Told], tmp_path: Path) -> None:
    assert run("--store", tmp_path / "results", "--dry-run").code == 0
    assert not (tmp_path / "results").exists()


def test_run_ends_with_a_board_of_what_was_asked_for(run: Callable[..., Told], filled: tuple[Path, Told]) -> None:
    told = run("--store", filled[0])
    assert told.code == 0
    assert "tiny-bert" in told.out
    assert "mood" in told.out
    assert "0 run, 2 stored before, 0 failed." in told.err


@pytest.mark.parametrize(
    ("words", "spread"),
    [
        (["run", "-m", "A", "B", "-t", "x"], ["run", "-m", "A", "-m", "B", "-t", "x"]),
        (["run", "-m", "A", "-m", "B"], ["run", "-m", "A", "-m", "B"]),
        (["run", "-t", "x", "y", "z", "--seeds", "3"], ["run", "-t", "x", "-t", "y", "-t", "z", "--seeds", "3"]),
        (["run", "-s", "full", "lora", "--store", "S"], ["run", "-s", "full", "-s", "lora", "--store", "S"]),
        (
            ["run", "--model", "A", "B", "--task", "x", "y"],
            ["run", "--model", "A", "-m", "B", "--task", "x", "-t", "y"],
        ),
        (["validate", "a.yaml", "b.yaml"], ["validate", "a.yaml", "b.yaml"]),
        (["leaderboard", "--store", "S", "-t", "x", "y"], ["leaderboard", "--store", "S", "-t", "x", "-t", "y"]),
        ([], []),
    ],
)
def test_an_option_takes_several_words(words: list[str], spread: list[str]) -> None:
    assert _spread_words(words) == spread


def test_several_models_and_strategies_in_one_command(
    run: Callable[..., Told], tiny_bert: Path, filled: tuple[Path, Told]
) -> None:
    told = run("-s", "full", "-m", tiny_bert, "bundled/tiny-bert", "--store", filled[0], "--dry-run")
    assert told.out.splitlines()[-1] == "6 to run, 2 stored."


def test_results_of_a_random_twin_stand_beside_the_checkpoints_own(run: Callable[..., Told], tmp_path: Path) -> None:
    assert run("--store", tmp_path, "--seeds", 1).code == 0
    (line,) = run("--store", tmp_path, "--seeds", 1, "--init", "random", "--json").objects
    assert line["init"] == "random"
    rows = json.loads(call("leaderboard", "--store", tmp_path, "--format", "json").out)
    assert {row["init"] for row in rows} == {"pretrained", "random"}


# -- leaderboard -------------------------------------------------------------------------------------------------------


def test_leaderboard_json_has_the_promised_fields(filled: tuple[Path, Told]) -> None:
    told = call("leaderboard", "--store", filled[0], "--format", "json")
    assert told.code == 0
    (row,) = json.loads(told.out)
    has_fields(row, ROW_FIELDS)
    assert len(row["interval"]) == 2
    assert (row["rank"], row["coverage"], row["provisional"]) == (1, 1.0, False)
    cell = row["tasks"]["mood"]
    has_fields(cell, {"mean": float, "interval": list, "seeds": int, "n": int})
    assert (cell["seeds"], cell["n"]) == (2, 40)
    scores = [line["metrics"][line["main"]] for line in filled[1].objects]
    assert cell["mean"] == pytest.approx(sum(scores) / 2)


def test_leaderboard_csv_and_markdown_say_the_same(filled: tuple[Path, Told]) -> None:
    (row,) = json.loads(call("leaderboard", "--store", filled[0], "--format", "json").out)
    (line,) = csv.DictReader(io.StringIO(call("leaderboard", "--store", filled[0], "--format", "csv").out))
    assert (line["model"], line["strategy"], float(line["mood"])) == (
        "tiny-bert",
        "linear_probe",
        row["tasks"]["mood"]["mean"],
    )
    markdown = call("leaderboard", "--store", filled[0], "--format", "markdown").out
    assert "| 1 | tiny-bert | linear\\_probe | " in markdown or "| 1 | tiny-bert | linear_probe | " in markdown
    assert f"{100 * row['tasks']['mood']['mean']:.1f}" in markdown


def test_a_task_without_records_makes_a_row_provisional(filled: tuple[Path, Told], text_task: Path) -> None:
    (row,) = json.loads(
        call("leaderboard", "--store", filled[0], "-t", text_task, "wordnet-pos", "--format", "json").out
    )
    assert (row["coverage"], row["provisional"], row["rank"], row["mean"]) == (0.5, True, None, None)


def test_the_board_of_a_strategy_or_protocol_without_records_says_how_to_make_some(filled: tuple[Path, Told]) -> None:
    for option, word in (("-s", "full"), ("--protocol", "standard")):
        told = call("leaderboard", "--store", filled[0], option, word)
        assert told.code == 0
        assert "suite run -m MODEL -t TASK -s STRATEGY" in told.out
        assert json.loads(call("leaderboard", "--store", filled[0], option, word, "--format", "json").out) == []


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    assert call("leaderboard", "--store", tmp_path / "nowhere").code == 0
    assert not (tmp_path / "nowhere").exists()


# -- tasks, models, validate -------------------------------------------------------------------------------------------


def test_tasks_json_lists_task_files_and_collections() -> None:
    both = json.loads(call("tasks", "--json").out)
    assert set(both) == {"tasks", "collections"}
    named = {task["name"]: task for task in both["tasks"]}
    assert {"digits", "wordnet-pos"} <= named.keys()
    for task in both["tasks"]:
        has_fields(task, {"name": str, "version": int, "kind": str, "dataset": dict, "columns": dict, "splits": dict})
        has_fields(task["dataset"], {"path": str, "revision": str})
        assert "config" in task["dataset"]
        assert task["splits"]["validation"]
    assert named["digits"]["splits"]["validation"]["from"] == "train"
    for collection in both["collections"]:
        has_fields(collection, {"name": str, "version": int, "tasks": list})
        assert set(collection["tasks"]) <= named.keys()


def test_one_task_or_collection_is_shown_with_its_pins() -> None:
    task = json.loads(call("tasks", "digits").out)
    assert task["dataset"]["revision"].startswith("sha256:")
    assert json.loads(call("tasks", "bundled-text").out)["tasks"][0] == "wordnet-supersense"
    listed = call("tasks").out
    assert "digits" in listed
    assert "bundled-text" in listed


def test_models_json_lists_the_bundled_checkpoints() -> None:
    models = {model["name"]: model for model in json.loads(call("models", "--json").out)}
    assert {"bundled/tiny-bert", "bundled/tiny-resnet", "bundled/minilm-l6"} <= models.keys()
    for model in models.values():
        has_fields(model, {"name": str, "installed": bool})
        assert model["installed"] == (model["folder"] is not None)
    assert set(call("models").out.split("\n")) >= {"bundled/tiny-bert", "bundled/tiny-resnet"}


def test_validate_says_what_a_task_has(text_task: Path) -> None:
    told = call("validate", text_task)
    assert told.code == 0
    assert told.err == ""
    assert "text_classification, 2 classes, " in told.out
    assert "40 test rows. All is well." in told.out


def test_validate_tells_good_files_and_bad_ones_apart(text_task: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\n")
    told = call("validate", bad, text_task)
    assert told.code == 2
    assert "All is well." in told.out
    assert all("bad.yaml" in mistake for mistake in told.mistakes)


def test_validate_without_files_says_what_it_expects() -> None:
    told = call("validate")
    assert told.code == 2
    assert told.mistakes == ["No file is given; expected suite validate FILE ... or suite validate --schema."]


def test_the_schema_is_a_json_schema_of_task_files() -> None:
    schema = json.loads(call("validate", "--schema").out)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"name", "version", "kind", "dataset", "columns"}
    assert {"labels", "metrics", "main", "chance", "delta", "limits", "cluster", "tags"} <= schema["properties"].keys()
    for reference in _references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [r for inner in value.values() for r in _references(inner)]
    return [r for inner in value for r in _references(inner)] if isinstance(value, list) else []


def test_the_schema_has_no_field_that_a_file_may_not_have() -> None:
    schema = json.loads(call("validate", "--schema").out)
    assert not {"file", "lines"} & schema["properties"].keys()


# -- words and exit codes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["frobnicate"], ["run", "--frobnicate"], ["run", "--seeds", "many"], ["models", "x"]]
)
def test_wrong_words_end_with_2(words: list[str]) -> None:
    told = call(*words)
    assert told.code == 2
    assert told.out == ""
    assert told.err


def test_no_words_show_the_help() -> None:
    told = call()
    assert "run" in told.out + told.err
    assert "leaderboard" in told.out + told.err


def test_the_installed_command_ends_with_the_exit_code() -> None:
    done = subprocess.run([SUITE, "tasks", "nowhere"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No task or collection named 'nowhere'.")
    done = subprocess.run([SUITE, "models"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0


def test_episodes_and_held_out_rows_stand_on_boards_of_their_own(
    tiny_bert: Path, text_task: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    words = ("-m", tiny_bert, "-t", text_task, "--protocol", tiny_protocol, "--seeds", "1", "--store", tmp_path / "s")
    told = call("run", *words, "-s", "few_shot", "linear_probe")
    assert told.code == 0, told.err
    boards = told.out.split("Protocol tiny v1")
    assert len(boards) == 3
    assert ["linear_probe" in board for board in boards] == [True, False, False]
    assert ["few_shot" in board for board in boards] == [False, True, False]
    assert "Left out" not in told.out
    table = call("leaderboard", "-t", text_task, "--store", tmp_path / "s")
    assert "few_shot" in table.out and "linear_probe" in table.out
    (row,) = json.loads(call("leaderboard", "-s", "few_shot", "--store", tmp_path / "s", "--format", "json").out)
    assert row["strategy"] == "few_shot" and row["tasks"]["mood"]["interval"]
