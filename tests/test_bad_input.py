"""Whatever a user gets wrong is told in one sentence, and what was right is not lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import Told, call, end, records, start, wait_for_record
from conftest import write_task

from suite.store import Store

TASK = """\
name: film
version: 1
kind: text_classification
dataset:
  path: csv
  data_files: {train: train.csv, test: test.csv}
columns: {text: text, label: label}
metrics: [accuracy]
"""
ROWS = [{"text": f"a {'sunny' if i % 2 else 'bitter'} day number {i}", "label": i % 2} for i in range(40)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def good(tiny_bert: Path, text_task: Path, tiny_protocol: Path, store: Path) -> dict[str, Any]:
    return {
        "-m": tiny_bert,
        "-t": text_task,
        "-s": "linear_probe",
        "--protocol": tiny_protocol,
        "--store": store,
        "--seeds": 1,
        "--device": "cpu",
        "--threads": 1,
    }


@pytest.fixture
def run(good: dict[str, Any]) -> Callable[..., Told]:
    """Return `suite run` with words that are all right but for those given."""

    def with_words(*flags: str, **changed: Any) -> Told:
        options = good | {f"-{name}" if len(name) == 1 else f"--{name}": value for name, value in changed.items()}
        words: list[Any] = []
        for option, value in options.items():
            for one in value if isinstance(value, list) else [value]:
                words += [option, str(one)]
        return call("run", *words, *flags)

    return with_words


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the task `film`, with changed text or rows."""

    def write(
        *changes: tuple[str, str], name: str = "film", train: Any = None, test: Any = None, builder: str = "csv"
    ) -> Path:
        text = TASK
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        text = text.replace("csv", builder)
        for split, rows in (("train", train), ("test", test)):
            if isinstance(rows, str):
                (tmp_path / f"{split}.{builder}").write_text(rows)
                continue
            table = pd.DataFrame(ROWS if rows is None else rows, columns=list(ROWS[0]))
            if builder == "csv":
                table.to_csv(tmp_path / f"{split}.csv", index=False)
            else:
                table.to_parquet(tmp_path / f"{split}.parquet", index=False)
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return path

    return write


def refused(told: Told, *expected: str) -> None:
    """Check that a command was refused with just these sentences, each given by a telling part."""
    assert told.code == 2, told.err
    assert told.out == ""
    assert len(told.mistakes) == len(expected), told.err
    for part in expected:
        assert any(part in mistake for mistake in told.mistakes), f"{part!r} is not in:\n{told.err}"
    assert all(mistake.rstrip().endswith((".", "?", ")", "login")) for mistake in told.mistakes), told.err


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"m": "bundled/tiny-brt"}, "No bundled checkpoint named 'tiny-brt'. Did you mean 'tiny-bert'?"),
        ({"m": "tiny-brt"}, "Did you mean 'bundled/tiny-bert'?"),
        ({"m": "org/nowhere"}, "The model 'org/nowhere' at 'main' is not in the Hub cache"),
        ({"m": "org/nowhere@v9"}, "The model 'org/nowhere' at 'v9' is not in the Hub cache"),
        ({"m": "./nowhere"}, "There is no folder './nowhere'. A Hub name has the form org/name"),
        ({"m": "two words"}, "'two words' is no model: expected org/name, org/name@revision or an existing folder."),
        ({"t": "wordnet-pso"}, "No task or collection named 'wordnet-pso'. Did you mean 'wordnet-pos'?"),
        ({"t": "bundled-txt"}, "No task or collection named 'bundled-txt'. Did you mean 'bundled-text'?"),
        ({"t": "nowhere.yaml"}, "Cannot read nowhere.yaml: No such file or directory."),
        ({"s": "linear_prob"}, "No strategy named 'linear_prob'. Did you mean 'linear_probe'?"),
        ({"protocol": "quik"}, "No protocol named 'quik'. Did you mean 'quick'?"),
        ({"engine": "locl"}, "No engine named 'locl'. Did you mean 'local'?"),
        ({"seeds": 0}, "--seeds is 0; expected at least 1."),
        ({"seeds": -3}, "--seeds is -3; expected at least 1."),
        ({"workers": 99}, "--workers is 99; this machine has "),
        ({"workers": 0}, "--workers is 0; this machine has "),
        ({"threads": 0}, "--threads is 0; this machine has "),
        ({"device": "tpu"}, "--device is 'tpu'; expected auto, cpu or cuda."),
        ({"init": "zeros"}, "--init is 'zeros'; expected pretrained or random."),
        (
            {"resample": "kfold:1"},
            "--resample is 'kfold:1'; expected holdout, kfold:K, loo, bootstrap:B, partition:P or",
        ),
        ({"resample": "kfolds:4"}, "Did you mean 'kfold:4'?"),
        ({"resample": "kfold:99"}, "different rows to cut by kfold:99, which needs 99; ask for fewer, or use holdout."),
        ({"resample": "loo", "s": "lora"}, "lora does not work with --resample loo; it takes"),
        (
            {"sampling": "uniform"},
            "How tasks mix (--sampling, --weights, --tasks-per-step) is said of --joint; add it.",
        ),
        ({"s": "multitask"}, "--joint with the task mood alone; expected at least two tasks."),
        ({"store": "nosuch://here"}, "The store 'nosuch://here' cannot be opened"),
    ],
)
def test_a_wrong_word_is_named_and_nothing_is_run(
    run: Callable[..., Told], store: Path, changed: dict[str, Any], expected: str
) -> None:
    refused(run(**changed), expected)
    assert not records(store)


def test_a_gpu_that_is_not_there(run: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(run(device="cuda"), "--device is cuda, but torch sees no GPU here; use --device cpu or auto.")


def test_offline_without_a_cache_is_one_sentence(run: Callable[..., Told]) -> None:
    told = run("--offline", m="org/nowhere")
    refused(told, "no going online. Run once without --offline, or name a folder.")


def test_all_wrong_words_are_told_at_once(run: Callable[..., Told], film: Callable[..., Path]) -> None:
    words = {
        "m": ["bundled/tiny-brt", "./nowhere"],
        "t": ["wordnet-pso", str(film(("kind: text", "kind: txt")))],
        "s": ["linear_prob", "loar"],
        "protocol": "quik",
        "seeds": 0,
    }
    refused(
        run(**words),
        "'tiny-bert'",
        "./nowhere",
        "'wordnet-pos'",
        "'text_classification'",
        "'linear_probe'",
        "'lora'",
        "'quick'",
        "--seeds",
    )


def test_a_word_that_is_left_out_is_named_by_its_flag() -> None:
    told = call("run", "-t", "digits", "-s", "full")
    assert told.code == 2
    assert "Missing option '-m'" in told.err


def test_a_text_checkpoint_on_an_image_task(run: Callable[..., Told], image_task: Path) -> None:
    refused(run(t=str(image_task)), "tiny-bert reads texts, and none of the tasks gives any: colour.")


def test_an_image_checkpoint_on_a_text_task(run: Callable[..., Told], tiny_resnet: Path) -> None:
    refused(run(m=str(tiny_resnet)), "tiny-resnet reads images, and none of the tasks gives any: mood.")


def test_an_unknown_format_of_the_board(store: Path) -> None:
    told = call("leaderboard", "--store", store, "--format", "xml")
    refused(told, "--format is 'xml'; expected table, csv, json or markdown.")


def test_an_unknown_task_is_named_by_every_command(store: Path) -> None:
    expected = "No task or collection named 'digit'. Did you mean 'digits'?"
    refused(call("tasks", "digit"), expected)
    refused(call("leaderboard", "--store", store, "-t", "digit"), expected)


# -- checkpoints -------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert, tmp_path / "copy"))


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _with_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "code.Model"}}))
    (folder / "code.py").write_text("raise SystemExit('it ran')")


def _broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert",')


def _config_list(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def _config_bytes(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_without_weights, "copy has no weights; expected model.safetensors."),
        (_pickled, "copy has pickled weights only (pytorch_model.bin), which can run code when they are opened."),
        (_with_code, "copy needs code of its own (auto_map in config.json), which is never run here."),
        (_broken_config, "copy/config.json: this is no usable config: Expecting property name"),
        (_config_list, "copy/config.json: this is no usable config: expected an object, found list."),
        (_config_bytes, "copy/config.json: this is no usable config: "),
        (_no_config, "copy has no config.json; expected a checkpoint in transformers or timm layout."),
    ],
)
def test_a_checkpoint_that_cannot_be_loaded_safely(
    run: Callable[..., Told], copy: Path, spoil: Callable[[Path], None], expected: str
) -> None:
    spoil(copy)
    refused(run(m=str(copy)), expected)


def test_pickled_weights_are_refused_with_the_way_to_convert_them(run: Callable[..., Told], copy: Path) -> None:
    _pickled(copy)
    assert "save_pretrained(folder)" in run(m=str(copy)).err


def test_a_failing_run_is_named_with_its_reason_and_the_others_are_stored(
    run: Callable[..., Told], tiny_bert: Path, copy: Path, store: Path
) -> None:
    content = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(content[: len(content) // 2])
    told = run(m=[str(copy), str(tiny_bert)], seeds=2)
    assert told.code == 1
    assert len(records(store)) == 2
    failures = [line for line in told.err.splitlines() if line.startswith("failed")]
    assert len(failures) == 2
    assert all("copy · mood · linear_probe · seed " in line and "cannot be loaded: " in line for line in failures)
    assert "2 run, 0 stored before, 2 failed." in told.err
    assert "tiny-bert" in told.out  # the board of what there is
    (log,) = {line.partition("details: ")[2].rstrip(")") for line in failures[:1]}
    assert "Traceback" in Path(log).read_text()


def test_a_failing_run_is_named_on_stderr_also_with_json(run: Callable[..., Told], tiny_bert: Path, copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    told = run("--json", m=[str(copy), str(tiny_bert)])
    assert told.code == 1
    assert [line["model"] for line in told.objects] == ["tiny-bert"]
    assert "copy: its tokenizer cannot be loaded" in told.err


# -- task files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["validate", "run"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("metrics:", "metrcs:"), "film.yaml:8: No field named 'metrcs'. Did you mean 'metrics'?"),
        (("  path: csv", "  pth: csv\n  path: csv"), "film.yaml:5: No field named 'pth'. Did you mean 'path'?"),
        (("version: 1", "version: one"), 'film.yaml:2: version: Input should be a valid integer; found "one".'),
        (("version: 1", "version: 0"), "film.yaml:2: version: Input should be greater than or equal to 1; found 0."),
        (("[accuracy]", "accuracy"), 'film.yaml:8: metrics: Input should be a valid array; found "accuracy".'),
        (("version: 1\n", ""), "film.yaml:1: the field 'version' is missing; add 'version: ...'."),
        (("  path: csv\n", ""), "film.yaml:4: the field 'dataset.path' is missing; add 'path: ...'."),
        (("{train: train.csv,", "{train: 5,"), "film.yaml:6: dataset.data_files.train: Input should be a valid string"),
        (("version: 1", "version: 1\nversion: 2"), "film.yaml:3: 'version' stands in line 2 already"),
        (("version: 1", "version: 1\nfile: x"), "film.yaml:3: No field named 'file'."),
        (("version: 1", "version: 1\nlabels: [no, maybe]"), "film.yaml:3: labels.0: Input should be a valid string"),
        (("version: 1", "version: 1\nlimits: {trian: 5}"), "film.yaml:3: limits.trian: Input should be 'train'"),
        (("version: 1", "version: 1\ndelta: .nan"), "film.yaml:3: delta: Input should be a finite number; found NaN."),
        (("version: 1", "2024-01-01: x"), "film.yaml: only texts, numbers, lists and mappings are allowed"),
        (("name: film", "name: [film"), "film.yaml:2: this is no valid YAML"),
        (("name: film", "name: !!python/object:os.system film"), "film.yaml:1: this is no valid YAML"),
        (("name: film", "name: &n film"), "film.yaml:3: YAML aliases (*n) are not allowed; write the value out."),
        (("name: film", "name: films"), "film.yaml:1: name 'films' differs from the file's name 'film'"),
        (("name: film", "name: Film"), "film.yaml:1: name: String should match pattern"),
        (
            ("kind: text_", "kind: txt_"),
            "film.yaml:3: No task kind named 'txt_classification'. Did you mean 'text_clas",
        ),
        (("[accuracy]", "[acuracy]"), "film.yaml:8: No metric named 'acuracy'. Did you mean 'accuracy'?"),
        (
            ("text: text", "text: sentence"),
            "film.yaml:7: column 'sentence' is not in csv (train). It has: label, text.",
        ),
        (("text: text, ", ""), "film.yaml:7: text_classification needs the column 'text'"),
        (("text: text", "text: text, txt: text"), "film.yaml:7: text_classification has no column 'txt'."),
        (("test.csv", "tset.csv"), "film.yaml:6: no file matches 'tset.csv' in "),
        (("test.csv", '""'), "film.yaml:6: no file matches '' in "),
        (("test.csv", '"**x"'), "film.yaml:6: no file matches '**x' in "),
        (("  data_files: {train: train.csv, test: test.csv}\n", ""), "film.yaml:4: the builder 'csv' needs data_files"),
        ((", test: test.csv", ""), "film.yaml: split 'test' is not in csv. It has: train."),
        (("version: 1", "version: 1\nsplits: {train: trian}"), "film.yaml:3: split 'trian' is not in csv."),
        (
            ("version: 1", "version: 1\nsplits: {validation: {from: train, fraction: 2}}"),
            "film.yaml:3: splits.validation.fraction: Input should be less than 1; found 2.",
        ),
        (
            ("version: 1", "version: 1\nsplits: {validation: 3}"),
            "film.yaml:3: splits.validation: Input should be a valid string or an object; found 3.",
        ),
        (
            ("version: 1", "version: 1\nsplits: {test: train}"),
            "film.yaml:3: test and train are both the split 'train'; rows that are trained or selected on say nothing",
        ),
        (
            ("version: 1", "version: 1\nsplits: {validation: test}"),
            "film.yaml:3: validation and test are both the split 'test'; rows that are trained or selected on",
        ),
        (("version: 1", "version: 1\nlabels: ['0', '0', '1']"), "film.yaml:3: the labels of film name a class twice."),
        (("version: 1", "version: 1\nlabels: ['7', '8', '9']"), "row 0 of the train split has the label"),
    ],
)
def test_a_mistake_in_a_task_file_is_told_with_its_line(
    run: Callable[..., Told],
    film: Callable[..., Path],
    store: Path,
    command: str,
    change: tuple[str, str],
    expected: str,
) -> None:
    changes = [change]
    if change[1] == "name: &n film":
        changes.append(("kind: text", "description: *n\nkind: text"))
    if "'7', '8'" in change[1]:
        changes.append(("metrics: [accuracy]\n", ""))
        path = film(*changes, train=[row | {"label": f"c{row['label']}"} for row in ROWS])
    else:
        path = film(*changes)
    refused(call("validate", path) if command == "validate" else run(t=str(path)), expected)
    assert not records(store)


def test_all_mistakes_of_a_file_and_of_all_files_are_told_at_once(film: Callable[..., Path]) -> None:
    first = film(("version: 1", "version: one"), ("metrics", "metrcs"))
    second = film(("kind: text", "kind: txt"), name="other")
    assert [m.rpartition("/")[2].split(": ")[0] for m in call("validate", first, second).mistakes] == [
        "film.yaml:2",
        "film.yaml:8",
        "other.yaml:1",
        "other.yaml:3",
    ]


@pytest.mark.parametrize("content", [b"", b"- a list\n", b"just words", b"\xff\xfe", b"\x00", b"a: " + b"[" * 4000])
def test_a_file_that_is_no_task_file_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    told = call("validate", path)
    assert told.code == 2
    assert len(told.mistakes) == 1
    assert "odd.yaml" in told.mistakes[0]


def test_a_file_of_two_megabytes_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("a: 1\n" * 400_000)
    refused(call("validate", tmp_path / "big.yaml"), "a file of over 1,000,000 bytes is no task file.")


# -- rows --------------------------------------------------------------------------------------------------------------


def _with(row: int, **cells: Any) -> list[dict[str, Any]]:
    return [r | cells if i == row else r for i, r in enumerate(ROWS)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # datasets leaves a broken file open
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"test": []}, "film.yaml:4: cannot load csv: test.csv: it holds no rows."),
        ({"train": []}, "film.yaml:4: cannot load csv: train.csv: it holds no rows."),
        ({"test": ""}, "film.yaml:4: cannot load csv: test.csv: No columns to parse from file."),
        ({"test": _with(7, label=2)}, "row 7 of the test split has the label 2. No label named '2'."),
        ({"train": [r | {"label": 1} for r in ROWS]}, "the train split of film has one class only (1)"),
        ({"test": _with(5, text="")}, "film.yaml:7: row 5 of the test split has None for 'text'; expected a text"),
        ({"test": _with(5, text="  ")}, "film.yaml:7: row 5 of the test split has '  ' for 'text'; expected a text"),
        (
            {"test": _with(6, label=None)},
            "film.yaml:7: row 6 of the test split has the label None. Every row needs one.",
        ),
        (
            {"test": "text,label\n1,2,3\n"},
            "film.yaml:4: cannot load csv: the files differ in their columns or types; expec",
        ),
        (
            {"test": "text,label\na,x\n"},
            "film.yaml:4: cannot load csv: Failed to parse string: 'x' as a scalar of type int64",
        ),
        ({"train": 'text,label\n"a,1\n'}, "film.yaml:4: cannot load csv: train.csv: Error tokenizing data."),
    ],
)
def test_rows_that_cannot_be_used_are_named(
    run: Callable[..., Told], film: Callable[..., Path], store: Path, rows: dict[str, Any], expected: str
) -> None:
    path = film(**rows)
    for told in (call("validate", path), run(t=str(path))):
        refused(told, expected)
        assert "film.yaml" in told.err
    assert not records(store)


def test_a_label_that_is_not_a_number_at_all_is_missing(film: Callable[..., Path]) -> None:
    rows = [row | {"label": float(row["label"])} for row in ROWS]
    path = film(builder="parquet", train=rows, test=rows)
    labels = [float("nan") if i == 3 else row["label"] for i, row in enumerate(rows)]  # pandas would make it a null
    pq.write_table(pa.table({"text": [row["text"] for row in rows], "label": labels}), path.parent / "test.parquet")
    refused(call("validate", path), "row 3 of the test split has the label nan. Every row needs one.")


def test_a_text_column_of_dates_is_refused(film: Callable[..., Path]) -> None:
    rows = [row | {"text": pd.Timestamp("2024-01-01") + pd.Timedelta(days=i)} for i, row in enumerate(ROWS)]
    refused(
        call("validate", film(builder="parquet", train=rows, test=rows)), "expected a text with at least one letter"
    )


def test_labels_that_no_training_row_has_are_named(film: Callable[..., Path]) -> None:
    path = film(("version: 1", "version: 1\nlabels: ['0', '1', '2']"), test=_with(4, label=2))
    expected = "row 4 of the test split has the label '2', which no row of the train split has"
    refused(call("validate", path), expected)


def test_a_broken_image_among_good_ones_is_named_by_its_row(
    run: Callable[..., Told], tiny_resnet: Path, image_task: Path, tmp_path: Path, store: Path
) -> None:
    import datasets

    folder = Path(shutil.copytree(image_task.parent, tmp_path / "images"))
    rows = datasets.Dataset.from_parquet(str(folder / "test.parquet"), cache_dir=str(tmp_path / "arrow"))
    cells = rows.cast_column("image", datasets.Image(decode=False)).to_list()
    cells[11]["image"]["bytes"] = cells[11]["image"]["bytes"][:60]
    datasets.Dataset.from_list(cells, features=rows.features).to_parquet(folder / "test.parquet")
    told = run(m=str(tiny_resnet), t=str(folder / image_task.name))
    refused(told, "row 11 of the test split is no usable image: ")
    assert "colour.yaml:9: " in told.err
    assert not records(store)


# -- data sets of the Hub ----------------------------------------------------------------------------------------------

HUB = ("  path: csv\n  data_files: {train: train.csv, test: test.csv}\n", "  path: org/films\n")


def test_a_hub_data_set_without_a_pin_is_refused(run: Callable[..., Told], film: Callable[..., Path]) -> None:
    told = run(t=str(film(HUB)))
    refused(told, "film.yaml:4: org/films has no revision, so its rows could change under the score.")
    assert "Add revision: <40-digit commit>, or use --allow-unpinned" in told.err


@pytest.mark.parametrize("revision", ["main", "abc123", "'" + "g" * 40 + "'", "'" + "A" * 40 + "'"])
def test_a_revision_that_is_no_commit_is_refused(
    run: Callable[..., Told], film: Callable[..., Path], revision: str
) -> None:
    told = run(t=str(film((HUB[0], f"{HUB[1]}  revision: {revision}\n"))))
    refused(
        told, f"film.yaml:6: revision {revision if revision[0] == chr(39) else repr(revision)} is no commit; expected"
    )


# -- the store ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "below", "below/further"])
def test_a_store_that_cannot_be_written_is_told_before_anything_runs(
    run: Callable[..., Told], tmp_path: Path, below: str
) -> None:
    (tmp_path / "file").write_text("something else")
    refused(run(store=str(tmp_path / "file" / below)), "cannot be written: ")
    assert (tmp_path / "file").read_text() == "something else"


def test_damage_in_a_store_is_named_and_the_rest_still_works(run: Callable[..., Told], store: Path) -> None:
    assert run(seeds=5).code == 0
    assert json.loads(call("leaderboard", "--store", store, "--format", "json").out)[0]["tasks"]["mood"]["seeds"] == 5
    half, record, table, whole, gone = records(store)
    (half / "digest.json").unlink()
    text = (record / "record.json").read_text()
    (record / "record.json").write_text(text.replace('"accuracy":', '"accuracy": '))
    content = bytearray((table / "predictions.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (table / "predictions.parquet").write_bytes(content)
    (gone / "record.json").unlink()
    (store / "records" / "notes.txt").write_text("a foreign file")
    (whole.parent / "notes-1").write_text("another")
    (store / "records" / "ff" / ("0" * 63 + "-1")).mkdir(parents=True)
    told = call("leaderboard", "--store", store, "--format", "json")
    assert told.code == 0
    assert json.loads(told.out)[0]["tasks"]["mood"]["seeds"] == 1
    faults = told.err.splitlines()
    assert len(faults) == 4
    for entry, reason in (
        (half, "was never finished"),
        (record, "the bytes of record.json are not those that were put"),
        (table, "the bytes of predictions.parquet are not those that were put"),
        (gone, "was never finished"),
    ):
        (fault,) = [line for line in faults if entry.name[:12] in line]
        assert reason in fault


def test_a_damaged_record_does_not_keep_new_runs_from_being_stored(run: Callable[..., Told], store: Path) -> None:
    assert run(seeds=2).code == 0
    damaged, _ = records(store)
    (damaged / "record.json").write_text("{}")
    told = run(s="full")
    assert told.code == 0
    assert damaged.name[:12] in told.out
    assert len(records(store)) == 3


def test_a_damaged_record_that_is_asked_for_is_a_failed_run_and_the_others_are_done(
    run: Callable[..., Told], store: Path
) -> None:
    assert run(seeds=2).code == 0
    damaged, _ = records(store)
    (damaged / "record.json").write_text("{}")
    told = run(seeds=3)
    assert told.code == 1
    assert "1 run, 1 stored before, 1 failed." in told.err
    assert f"{damaged.name}: the bytes of record.json are not those that were put" in told.err
    assert f"take {damaged} away." in told.err
    shutil.rmtree(damaged)
    told = run(seeds=3)
    assert told.code == 0
    assert "1 run, 2 stored before, 0 failed." in told.err


def test_a_half_written_entry_is_made_anew(run: Callable[..., Told], store: Path) -> None:
    assert run().code == 0
    (entry,) = records(store)
    before = (entry / "predictions.parquet").read_bytes()
    (entry / "digest.json").unlink()
    told = run()
    assert told.code == 0
    assert "1 run, 0 stored before" in told.err
    assert (entry / "predictions.parquet").read_bytes() == before
    assert records(store) == [entry]


def test_a_full_disk_keeps_what_was_stored(
    run: Callable[..., Told], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode) and records(store):  # a file of the second entry
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    told = run(seeds=3)
    assert told.code == 1
    assert "cannot be written: No space left on device." in told.err
    kept = records(store)
    assert len(kept) == 1
    assert not list(store.glob("records/.draft-*"))
    monkeypatch.undo()
    assert run(seeds=3).code == 0
    assert len(records(store)) == 3


def test_a_cache_that_cannot_be_written_is_told_before_anything_is_run(
    run: Callable[..., Told], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below", "/proc/nothing"):
        monkeypatch.setenv("TRANSFER_SUITE_CACHE", str(tmp_path / place))
        refused(run(), "cannot be written: ")
        assert "Name another in TRANSFER_SUITE_CACHE." in run().err
    assert not records(store)


@pytest.mark.parametrize("command", ["run", "leaderboard", "verify", "queue"])
@pytest.mark.parametrize("url", ["s3://bucket/results", "gcs://bucket/results", "nosuch://x"])
def test_a_store_without_its_driver_is_one_sentence_in_every_command(
    run: Callable[..., Told], command: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for driver in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, driver, None)
    words = {"leaderboard": ("leaderboard",), "verify": ("verify", "--all"), "queue": ("queue", "list")}
    told = run(store=url) if command == "run" else call(*words[command], "--store", url)
    refused(told, f"The store '{url}' cannot be opened")


# -- rows of other kinds ----------------------------------------------------------------------------------------------

PAGE = "the town had a sunny day with music"
ANSWERS: list[dict[str, Any]] = [{"text": ["sunny day"], "answer_start": [15]} for _ in range(20)]
BROKEN: dict[str, tuple[str, str, dict[str, list[Any]], Any, str]] = {
    "offsets": (
        "question_answering",
        "{question: q, context: c, answers: a}",
        {"q": [f"what was number {i}" for i in range(20)], "c": [PAGE] * 20, "a": ANSWERS},
        ("a", {"text": ["sunny day"], "answer_start": [3]}),
        "row 4 of the test split",
    ),
    "number": (
        "text_similarity",
        "{text: a, text_pair: b, score: s}",
        {"a": [f"a day {i}" for i in range(20)], "b": [PAGE] * 20, "s": [i / 20 for i in range(20)]},
        ("s", None),
        "row 4 of the test split",
    ),
    "choices": (
        "multiple_choice",
        "{text: t, choices: c, label: y}",
        {"t": [f"which day {i}" for i in range(20)], "c": [["sunny", "cold"]] * 20, "y": [i % 2 for i in range(20)]},
        ("c", ["sunny", "cold", "late"]),
        "row 4 of the test split",
    ),
    "tags": (
        "token_classification",
        "{tokens: w, tags: y}",
        {"w": [["sunny", "day", f"n{i}"] for i in range(20)], "y": [["B-W", "O", "O"]] * 20},
        ("y", ["B-W", "O"]),
        "row 4 of the test split",
    ),
    "labels": (
        "multi_label_classification",
        "{text: t, labels: y}",
        {"t": [f"a day {i}" for i in range(20)], "y": [["sunny", "cold"][: 1 + i % 2] for i in range(20)]},
        ("y", ["sunny", "windy"]),
        "row 4 of the test split",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_row_that_does_not_fit_its_kind_is_named_before_anything_is_trained(
    what: str, run: Callable[..., Told], store: Path, tmp_path: Path
) -> None:
    kind, columns, cells, (column, wrong), place = BROKEN[what]
    for split in ("train", "test"):
        made = {name: list(values) for name, values in cells.items()}
        if split == "test":
            made[column][4] = wrong
        pd.DataFrame(made).to_parquet(tmp_path / f"{split}.parquet", index=False)
    task = write_task(tmp_path, "broken", kind, columns, "parquet")
    refused(run(t=str(task), s="lora"), place)
    assert not records(store)


def test_texts_longer_than_the_model_takes_are_counted_and_told(
    run: Callable[..., Told], store: Path, film: Any
) -> None:
    long = [
        {"text": f"a {'sunny' if i % 2 else 'bitter'} day {i} " + "in the town " * (40 * (i < 3)), "label": i % 2}
        for i in range(40)
    ]
    told = run(t=str(film(train=long)))
    assert told.code == 0, told.err
    (entry,) = Store(str(store)).contents().entries
    assert entry.record.counts["truncated"] == 3
    assert "3 rows cut at 32 tokens" in told.err


# -- interruptions -----------------------------------------------------------------------------------------------------

SEEDS = 6


@pytest.fixture(scope="module")
def straight(
    tiny_bert: Path, text_task: Path, tiny_protocol: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], dict[str, bytes]]:
    """The words of a grid, and the predictions that it gives when nothing disturbs it."""
    store = tmp_path_factory.mktemp("straight")
    words = ["run", "-m", tiny_bert, "-t", text_task, "-s", "full", "--protocol", tiny_protocol]
    command = [*map(str, words), "--seeds", str(SEEDS), "--device", "cpu", "--threads", "1"]
    assert call(*command, "--store", store).code == 0
    return command, _predictions(store)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "workers"),
    [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGKILL, 1)],
    ids=["ctrl-c", "ctrl-c-2", "kill"],
)
def test_an_interrupted_grid_keeps_what_had_finished_and_does_the_rest_equally(
    straight: tuple[list[str], dict[str, bytes]], store: Path, how: signal.Signals, workers: int
) -> None:
    if workers > len(os.sched_getaffinity(0)):
        pytest.skip("one core only")
    command, expected = straight
    process = start(*command, "--store", store, "--workers", str(workers))
    wait_for_record(store, process)
    os.killpg(process.pid, how)
    told = end(process)
    assert "Traceback" not in told.err
    if how == signal.SIGINT:
        assert told.code == 130
        assert "All runs that had finished are stored; the same command does the rest." in told.err
    kept = {entry.name: (entry / "record.json").read_bytes() for entry in records(store)}
    assert 0 < len(kept) < SEEDS
    assert not Store(str(store)).contents().faults
    told = call(*command, "--store", store)
    assert told.code == 0
    assert f"{SEEDS - len(kept)} run, {len(kept)} stored before, 0 failed." in told.err
    after = {entry.name: (entry / "record.json").read_bytes() for entry in records(store)}
    assert kept.items() <= after.items()
    assert _predictions(store) == expected


def _predictions(store: Path) -> dict[str, bytes]:
    return {entry.name: (entry / "predictions.parquet").read_bytes() for entry in records(store)}
