"""A record that was changed is named, whatever was changed and however well it was hidden."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import call, records
from made_records import PROTOCOL, made

import suite
from suite import data, environment, evaluation, grid, metrics
from suite.environment import Machine
from suite.spec import Failure, Result, RunSpec, SuiteError, canonical_json, digest
from suite.store import Store
from suite.verification import Check, summarise, verify

GOLDEN = Path(__file__).parent / "golden" / "store"

Columns = dict[str, list[Any]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    shutil.copytree(GOLDEN, tmp_path / "store")
    return Store(str(tmp_path / "store"))


@pytest.fixture
def entry(store: Store) -> Path:
    """Return the folder of the one record that a test changes: the one with room to be made better."""
    folders = {store.get(name[:64]).score: name for name in store.names()}
    assert min(folders) < 1
    name = folders[min(folders)]
    return Path(store.url) / "records" / name[:2] / name


def rewrite(
    entry: Path,
    record: Callable[[dict[str, Any]], Any] = lambda r: None,
    table: Callable[[Columns], Any] = lambda t: None,
) -> None:
    """Change an entry as a careful hand would: every digest is made to fit again."""
    columns = pq.read_table(entry / "predictions.parquet")
    rows = columns.to_pydict()
    table(rows)
    content = io.BytesIO()
    pq.write_table(pa.table(rows, schema=columns.schema), content)
    claims = json.loads((entry / "record.json").read_text(encoding="utf-8"))
    claims["predictions"] = digest(content.getvalue())
    record(claims)
    body = canonical_json(claims).encode()
    files = {"record.json": body, "predictions.parquet": content.getvalue()}
    for name, content_of in files.items():
        (entry / name).write_bytes(content_of)
    digests = {name: digest(content_of) for name, content_of in files.items()}
    (entry / "digest.json").write_text(canonical_json(digests), encoding="utf-8")


def failed(store: Store, entry: Path) -> Check:
    """Return the check of the changed record, the others being well."""
    checks = {check.key: check for check in verify(store)}
    bad = checks.pop(entry.name.rpartition("-")[0])
    assert all(check.ok for check in checks.values())
    assert not bad.ok
    return bad


def test_the_golden_records_hold(store: Store) -> None:
    checks = list(verify(store))
    assert len(checks) == len(store.names()) > 0
    assert all(check.ok and "again" in check.detail for check in checks)


def test_an_entry_that_is_only_rewritten_still_holds(store: Store, entry: Path) -> None:
    rewrite(entry)
    assert all(check.ok for check in verify(store))


@pytest.mark.parametrize("file", ["record.json", "predictions.parquet"])
def test_a_changed_byte_is_named_with_its_file(store: Store, entry: Path, file: str) -> None:
    content = bytearray((entry / file).read_bytes())
    content[len(content) // 2] ^= 1
    (entry / file).write_bytes(bytes(content))
    assert f"bytes of {file}" in failed(store, entry).detail


def test_a_better_score_is_named(store: Store, entry: Path) -> None:
    rewrite(entry, lambda r: r["metrics"].update(accuracy=1.0))
    assert "accuracy is 1.0 in the record" in failed(store, entry).detail


def test_a_changed_pin_is_named(store: Store, entry: Path) -> None:
    rewrite(entry, lambda r: r["spec"]["checkpoint"].update(revision="0" * 40))
    assert "a pin or a setting was changed" in failed(store, entry).detail


def test_a_changed_setting_is_named(store: Store, entry: Path) -> None:
    rewrite(entry, lambda r: r["spec"].update(seed=r["spec"]["seed"] + 7))
    assert "a pin or a setting was changed" in failed(store, entry).detail


def test_a_prediction_made_right_is_named(store: Store, entry: Path) -> None:
    def better(rows: Columns) -> None:
        rows["prediction"] = list(rows["label"])

    rewrite(entry, table=better)
    detail = failed(store, entry).detail
    assert "by its predictions" in detail
    assert "predictions are not what their scores say" in detail


def test_values_that_would_move_an_interval_are_named(store: Store, entry: Path) -> None:
    rewrite(entry, table=lambda rows: rows.update(value=[1.0] * len(rows["value"])))
    assert "what examples give to" in failed(store, entry).detail


def test_examples_left_out_are_named(store: Store, entry: Path) -> None:
    rewrite(entry, table=lambda rows: rows.update({name: cells[1:] for name, cells in rows.items()}))
    assert "test examples are claimed" in failed(store, entry).detail


def test_an_example_counted_twice_is_named(store: Store, entry: Path) -> None:
    rewrite(entry, table=lambda rows: rows["id"].__setitem__(1, rows["id"][0]))
    assert "stands twice" in failed(store, entry).detail


def test_a_class_that_the_record_does_not_have_is_named(store: Store, entry: Path) -> None:
    rewrite(entry, table=lambda rows: rows["prediction"].__setitem__(0, "no such class"))
    assert "'no such class' is none of the record's classes" in failed(store, entry).detail


def test_a_metric_of_another_version_is_named(store: Store, entry: Path) -> None:
    rewrite(entry, lambda r: r["metrics"].update(novel_score=0.5))
    assert "does not know the metric 'novel_score'" in failed(store, entry).detail


def test_another_table_beside_the_record_is_named(store: Store, entry: Path) -> None:
    rewrite(entry, lambda r: r.update(predictions="sha256:" + "0" * 64))
    assert "another table of predictions" in failed(store, entry).detail


def test_one_record_by_the_beginning_of_its_key(store: Store, entry: Path) -> None:
    (check,) = verify(store, [entry.name[:8]])
    assert check.ok and check.key == entry.name.rpartition("-")[0]


@pytest.mark.parametrize("key", ["ffffff", "0", "../.."])
def test_a_key_that_is_not_there_is_an_error(store: Store, key: str) -> None:
    with pytest.raises(SuiteError, match="No record in"):
        list(verify(store, [key]))


def test_the_command_ends_with_1_when_a_record_fails(store: Store, entry: Path) -> None:
    assert call("verify", "--all", "--store", store.url).code == 0
    rewrite(entry, lambda r: r["metrics"].update(accuracy=1.0))
    told = call("verify", "--all", "--store", store.url, "--json")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert told.code == 1
    assert [line["ok"] for line in lines].count(False) == 1
    assert all(line.keys() >= {"key", "level", "ok", "detail", "checked", "attempt"} for line in lines)
    assert all(line["checked"] is True and type(line["ok"]) is bool for line in lines)
    assert "FAILED" in call("verify", entry.name[:10], "--store", store.url).out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: r["seeds"].update(order=1), "seeds are not those of the RunSpec"),
        (lambda r: r["counts"].update(failed=1, scored=0), "1 failed examples are claimed, 0 are stored"),
        (lambda r: r["data"]["ids_sha256"].update(test="sha256:" + "0" * 64), "ids_sha256 is not that of the tested"),
        (lambda r: r["data"].update(revision="sha256:" + "0" * 64), "revision is not the one that the task pins"),
        (lambda r: r.update(collapsed=True), "collapsed is True, which a accuracy of"),
        (lambda r: r["main"].update(greater_is_better=False), "accuracy is not what the record says"),
        (lambda r: r["metrics"].update(accuracy=float("nan")), "accuracy is nan in the record"),
        (lambda r: r["data"].pop("classes"), "not what records have there: KeyError: 'classes'"),
        (lambda r: r["counts"].pop("test"), "not what records have there: KeyError: 'test'"),
        (lambda r: r.update(artifact={"model.safetensors": "sha256:0"}), "weights/model.safetensors is missing"),
    ],
)
def test_whatever_follows_from_the_rest_is_named(
    store: Store, entry: Path, change: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.canonical_json", lambda value: json.dumps(value, sort_keys=True))  # NaN and all
    rewrite(entry, change)
    assert told in failed(store, entry).detail


@pytest.mark.parametrize("field", sorted(RunSpec.model_fields))
def test_every_field_of_the_spec_is_pinned(store: Store, entry: Path, field: str) -> None:
    others = {
        "semantics": 99,
        "checkpoint": {"name": "other"},
        "tasks": [{"delta": 0.2}],
        "strategy": "lora",
        "settings": {"learning_rate": 1.0},
        "protocol": {"description": "other words"},
        "resample": "kfold:2",
        "fold": 3,
        "mixture": {"sampling": "uniform"},
        "seed": 77,
    }

    def change(body: dict[str, Any]) -> None:
        spec, other = body["spec"], others[field]
        if field == "tasks":
            spec["tasks"][0] |= other[0]  # type: ignore[index]
        elif isinstance(spec.get(field), dict):
            spec[field] |= other
        else:
            spec[field] = other

    rewrite(entry, change)
    assert "a pin or a setting was changed" in failed(store, entry).detail


@pytest.mark.parametrize("words", [[], ["--all", "abcdef"], ["--all", "--level", "deeper"]])
def test_words_that_make_no_sense_end_with_2(store: Store, words: list[str]) -> None:
    told = call("verify", *words, "--store", store.url)
    assert told.code == 2
    assert told.err.startswith("error: ")


@pytest.fixture
def repeated(tmp_path: Path) -> tuple[Store, Path]:
    """Return a store of one made record, two of whose ten test rows stand among the training rows too."""
    from suite import contamination

    result = whole("o/m", "t", 6, 0, n=10)
    seen = [True, False, False, False, False, False, False, False, False, True]
    truth, said = np.ones(10, dtype=int), (np.arange(10) < 6).astype(int)
    clean = contamination.clean_scores(["accuracy"], truth, said, result.columns["scores"], seen)
    found = {"exact": 1, "near": 1, "clean": clean}
    record = result.record.model_copy(update={"contamination": found})
    store = Store(str(tmp_path / "repeated"))
    store.put(replace(result, record=record, columns=result.columns | {"seen": seen}))
    return store, records(tmp_path / "repeated")[0]


def test_the_score_on_clean_rows_is_derived_again(repeated: tuple[Store, Path]) -> None:
    store, entry = repeated
    claims = json.loads((entry / "record.json").read_text(encoding="utf-8"))
    assert claims["contamination"]["clean"] == {"n": 8, "metrics": {"accuracy": 0.625}}
    assert all(check.ok for check in verify(store))


@pytest.mark.parametrize(
    ("record", "table", "told"),
    [
        (lambda r: r["contamination"]["clean"]["metrics"].update(accuracy=0.75), lambda t: None, "on the clean rows"),
        (
            lambda r: r["contamination"]["clean"].update(n=10),
            lambda t: None,
            "10 test rows are said to be clean, 8 are",
        ),
        (lambda r: r["contamination"].update(exact=0), lambda t: None, "1 test rows are said to be among"),
        (lambda r: None, lambda t: t["seen"].__setitem__(9, False), "2 test rows are said to be among"),
        (
            lambda r: None,
            lambda t: t["seen"].reverse() or t["seen"].__setitem__(0, False),
            "among the training rows, 1",
        ),
    ],
)
def test_clean_rows_that_are_none_are_named(repeated: tuple[Store, Path], record: Any, table: Any, told: str) -> None:
    store, entry = repeated
    rewrite(entry, record, table)
    assert told in failed(store, entry).detail


def test_records_of_a_later_version_hold_too(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN.parent / "newer", tmp_path / "newer")
    checks = list(verify(str(tmp_path / "newer")))
    assert checks and all(check.ok for check in checks)


def test_nothing_heavy_is_loaded_to_rescore() -> None:
    code = (
        "import sys; from suite.verification import verify; "
        f"assert all(check.ok for check in verify({str(GOLDEN)!r})); "
        "print(*({'torch', 'transformers', 'datasets', 'evaluate', 'peft', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == ""


# -- infer: by the kept weights ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inferred(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, text_task: Path, tiny_protocol: Path
) -> tuple[Path, dict[str, Any]]:
    """Return a store of one record that kept its weights, and what it was made from."""
    store = tmp_path_factory.mktemp("inferred") / "store"
    place = {"protocol": str(tiny_protocol), "store": store, "device": "cpu", "threads": 1, "seeds": 1}
    report = suite.run(str(tiny_bert), str(text_task), "full", keep_weights=True, **place)
    assert not report.failures
    return store, {"models": [str(tiny_bert)], "tasks": [str(text_task)]}


@pytest.fixture
def copied(inferred: tuple[Path, dict[str, Any]], tmp_path: Path) -> tuple[Store, Path, dict[str, Any]]:
    """Return a copy of that store to do damage to, its entry and its means."""
    shutil.copytree(inferred[0], tmp_path / "store")
    (entry,) = records(tmp_path / "store")
    return Store(str(tmp_path / "store")), entry, inferred[1]


def test_weights_that_are_there_predict_the_same_again(copied: Any) -> None:
    store, _, means = copied
    (check,) = verify(store, level="infer", **means)
    assert (check.ok, check.checked, check.level) == (True, True, "infer")
    assert check.detail == "40 of 40 predictions come again from the kept weights on 1 thread, scores the same bits"


def test_a_changed_byte_of_the_weights_is_named(copied: Any) -> None:
    store, entry, means = copied
    path = entry / "weights" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    (check,) = verify(store, level="infer", **means)
    assert check.failed and check.detail == "weights/model.safetensors is not the file that was kept"


@pytest.mark.parametrize("level", ["rescore", "infer"])
def test_files_that_went_or_came_are_named(copied: Any, level: str) -> None:
    store, entry, means = copied
    (entry / "weights" / "config.json").rename(entry / "weights" / "other.json")
    (check,) = verify(store, level=level, **means) if level == "infer" else verify(store)
    assert check.failed and "weights/config.json is missing" in check.detail
    assert "weights/other.json is not among the files of the record" in check.detail


def test_other_weights_under_a_hash_of_their_own_predict_something_else(copied: Any) -> None:
    from safetensors.numpy import load_file, save_file

    store, entry, means = copied
    path = entry / "weights" / "model.safetensors"
    weights = load_file(path)
    weights["classifier.bias"] = weights["classifier.bias"] + np.array([2.0, -2.0], dtype=np.float32)
    save_file(weights, path, metadata={"format": "pt"})
    rewrite(entry, lambda r: r["artifact"].update({path.name: digest(path.read_bytes())}))
    (check,) = verify(store, level="infer", **means)
    assert check.failed
    assert "predictions come again" in check.detail and "are off by more than 0.001" in check.detail


def test_predictions_made_up_to_the_last_number_do_not_come_again(copied: Any) -> None:
    store, entry, means = copied

    def better(rows: Columns) -> None:
        classes = ["bad", "good"]
        rows["prediction"] = list(rows["label"])
        rows["scores"] = [[float(label == name) for name in classes] for label in rows["label"]]
        rows["value"] = [1.0] * len(rows["label"])

    def claims(record: dict[str, Any]) -> None:
        record["metrics"] = dict.fromkeys(record["metrics"], 1.0)
        record |= {"collapsed": False, "contamination": {}}

    rewrite(entry, claims, better)
    assert all(check.ok for check in verify(store)), "the forgery is not careful enough for this test"
    (check,) = verify(store, level="infer", **means)
    assert check.failed and "predictions come again from the kept weights" in check.detail


def test_labels_that_the_data_does_not_have_are_named(copied: Any) -> None:
    store, entry, means = copied

    def flattered(rows: Columns) -> None:
        rows["label"] = list(rows["prediction"])
        rows["value"] = [1.0] * len(rows["label"])

    def claims(record: dict[str, Any]) -> None:
        with pq.ParquetFile(entry / "predictions.parquet") as table:
            given = table.read().to_pydict()["prediction"]
        truth = np.array([["bad", "good"].index(name) for name in given])
        record["metrics"] = {name: metrics.value(name, truth, truth) for name in record["metrics"]}
        record |= {"collapsed": False, "contamination": {}}

    rewrite(entry, claims, flattered)
    assert all(check.ok for check in verify(store)), "the forgery is not careful enough for this test"
    (check,) = verify(store, level="infer", **means)
    assert check.failed and "examples are not those of the data" in check.detail


def test_data_that_changed_is_named_by_its_pin(copied: Any, text_task: Path, tmp_path: Path) -> None:
    store, _, means = copied
    shutil.copytree(text_task.parent, tmp_path / "mood")
    rows = (tmp_path / "mood" / "test.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "mood" / "test.csv").write_text("\n".join([*rows[:-1], "a sunny day,bad"]) + "\n", encoding="utf-8")
    (check,) = verify(store, level="infer", **means | {"tasks": [str(tmp_path / "mood" / text_task.name)]})
    assert check.failed
    assert check.detail == "the data of mood is another than it was: rows_sha256 (test) differs"


def test_what_is_not_at_hand_could_not_be_checked(copied: Any) -> None:
    store, _, means = copied
    (check,) = verify(store, level="infer", models=means["models"])
    assert (check.ok, check.checked, check.failed) == (False, False, False)
    assert check.detail == "The task 'mood' reads files beside its own; name that with -t FILE.yaml."
    told = call("verify", "--all", "--level", "infer", "--store", store.url)
    assert told.code == 2 and "0 of 1 records hold at level infer, 1 could not be checked." in told.out
    assert call("verify", "--all", "--level", "infer", "--store", store.url, "-t", *means["tasks"]).code == 0


def test_a_record_without_weights_says_how_to_keep_them(store: Store) -> None:
    checks = list(verify(store, level="infer"))
    assert checks and all(not check.ok and not check.checked for check in checks)
    assert all("run it again with --keep-weights" in check.detail for check in checks)
    told = call("verify", "--all", "--level", "infer", "--store", store.url, "--json")
    assert told.code == 2 and {(line["ok"], line["checked"]) for line in told.objects} == {(False, False)}


# -- retrain: by the run again -----------------------------------------------------------------------------------------


def test_the_run_again_gives_the_same_bits_and_leaves_the_first_alone(copied: Any) -> None:
    store, entry, means = copied
    before = {path: path.read_bytes() for path in entry.rglob("*") if path.is_file()}
    (check,) = verify(store, level="retrain", **means)
    assert check.ok and check.detail == "attempt 2 gives the same bits: 40 predictions and their scores"
    assert {path: path.read_bytes() for path in entry.rglob("*") if path.is_file()} == before
    record = store.get(check.key, 2)
    assert record.parent == entry.name and store.attempts(check.key) == [1, 2]
    assert [e.head.name for e in store.contents().entries] == [entry.name]


def test_a_checkpoint_that_is_another_one_is_told(copied: Any, tiny_resnet: Path) -> None:
    store, _, means = copied
    (check,) = verify(store, level="retrain", **means | {"models": [str(tiny_resnet)]})
    assert not check.checked and "was a folder; name it with -m FOLDER" in check.detail
    assert store.attempts(check.key) == [1]


def test_a_run_on_other_data_is_not_run_again(copied: Any, text_task: Path, tmp_path: Path) -> None:
    store, _, means = copied
    shutil.copytree(text_task.parent, tmp_path / "mood")
    (tmp_path / "mood" / "train.csv").write_text("sentence,label\n,good\n", encoding="utf-8")
    (check,) = verify(store, level="retrain", **means | {"tasks": [str(tmp_path / "mood" / text_task.name)]})
    assert check.failed and store.attempts(check.key) == [1]
    assert check.detail == "the data of mood is another than it was: the hash of its files differs"
    (tmp_path / "mood" / "train.csv").unlink()
    with pytest.raises(SuiteError, match=r"no file matches 'train\.csv'"):
        verify(store, level="retrain", **means | {"tasks": [str(tmp_path / "mood" / text_task.name)]})


def whole(model: str, task: str, right: int, seed: int, n: int = 100, **more: Any) -> Result:
    """Return a made result of n examples, so many right, in which all that can be derived is true."""
    values = (np.arange(n) < right).astype(float)
    result = made(model, task, values, seed=seed, main=metrics.info("accuracy", 0.5), **more)
    pins = {"ids_sha256": {"test": data.hash_ids(result.columns["id"])}, "classes": ["no", "yes"]}
    about = {"device": "cpu", "threads": 1, "libraries": {"torch": "1.0"}}
    record = result.record
    update = {"data": pins, "environment": about, "collapsed": record.main.is_collapsed(record.score)}
    return replace(result, record=record.model_copy(update=update))


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, int], int | Exception]:
    """Return how many examples a re-run gets right, by task and seed: what stands there is what it comes to."""
    outcomes: dict[tuple[str, int], int | Exception] = {}

    def evaluate(spec: RunSpec, machine: Machine, progress: Any, keep: str | None = None) -> list[Result]:
        right = outcomes[spec.tasks[0].name, spec.seed]
        if isinstance(right, Exception):
            raise right
        return [whole(spec.checkpoint.name, spec.tasks[0].name, right, spec.seed)]

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    monkeypatch.setattr(grid, "check_data", lambda specs: None)
    return outcomes


def stored(tmp_path: Path, scores: dict[str, list[int]]) -> Store:
    """Return a store with a row of seeds a task."""
    store = Store(str(tmp_path / "made"))
    for task, rights in scores.items():
        for seed, right in enumerate(rights):
            store.put(whole("o/m", task, right, seed))
    return store


FIVE = [80, 82, 81, 79, 83]
"""Mean 81, standard deviation 1.58: the 95% interval for a sixth is 81 +- 2.776 * 1.58 * sqrt(1.2) = [76.19, 85.81]."""


@pytest.mark.parametrize(("right", "ok", "p"), [(85, True, 0.082), (77, True, 0.082), (86, False, 0.045)])
def test_a_re_run_must_fall_where_the_stored_seeds_let_expect(
    tmp_path: Path, again: Any, right: int, ok: bool, p: float
) -> None:
    store, again["t", 0] = stored(tmp_path, {"t": FIVE}), right
    key = whole("o/m", "t", FIVE[0], 0).record.key
    before = (records(Path(store.url))[0] / "record.json").read_bytes()
    (check,) = verify(store, [key], level="retrain")
    assert check.ok == ok and check.p == check.p_adjusted == pytest.approx(p, abs=5e-4)
    assert f"attempt 2 gives accuracy {right / 100:.4f}, the record says 0.8000" in check.detail
    assert "the 95% interval [0.7619, 0.8581] of 5 stored seeds" in check.detail
    assert ("Run its seeds again" in check.detail) == (not ok)
    assert store.get(key).score == 0.8 and store.get(key, 2).score == right / 100
    assert (records(Path(store.url))[0] / "record.json").read_bytes() == before


@pytest.mark.parametrize(
    ("device", "compiled", "word"), [("cuda", True, "1"), ("cuda", False, "0"), ("cuda", None, "0"), ("cpu", True, "0")]
)
def test_a_training_is_compiled_again_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, compiled: bool | None, word: str
) -> None:
    training = {} if compiled is None else {"compiled": compiled}
    store = Store(str(tmp_path / "made"))
    result = whole("o/m", "t", 80, 0)
    store.put(replace(result, record=result.record.model_copy(update={"training": training})))
    told: list[str | None] = []
    monkeypatch.setattr(environment, "choose", lambda *about: Machine(device, 1))

    def carry_out(*about: Any, **more: Any) -> list[Any]:
        told.append(os.environ.get(environment.COMPILE))
        return []

    monkeypatch.setattr(grid, "carry_out", carry_out)
    monkeypatch.setenv(environment.COMPILE, "auto")
    assert list(verify(store, level="retrain")) == []
    assert told == [word]
    assert os.environ[environment.COMPILE] == "auto"


def test_no_interval_reaches_beyond_what_the_metric_can_be(tmp_path: Path, again: Any) -> None:
    store, again["t", 0] = stored(tmp_path, {"t": [97, 99, 94]}), 98
    (check,) = verify(store, [whole("o/m", "t", 97, 0).record.key], level="retrain")
    assert check.ok and ", 1.0000] of 3 stored seeds" in check.detail


def test_bits_say_it_all_where_one_seed_is_stored(tmp_path: Path, again: Any) -> None:
    store, again["t", 0] = stored(tmp_path, {"t": [80]}), 80
    (check,) = verify(store, level="retrain")
    assert check.ok and "the same bits" in check.detail


@pytest.mark.parametrize(
    ("rights", "told"), [([80], "No other seed is stored"), ([80, 80, 80], "The 3 stored seeds do not differ")]
)
def test_without_an_interval_other_bits_decide_nothing(
    tmp_path: Path, again: Any, rights: list[int], told: str
) -> None:
    store, again["t", 0] = stored(tmp_path, {"t": rights}), 81
    (check,) = verify(store, [whole("o/m", "t", 80, 0).record.key], level="retrain")
    assert (check.ok, check.checked) == (False, False) and told in check.detail


def test_other_rows_and_further_attempts_are_no_seeds(tmp_path: Path, again: Any) -> None:
    store, again["t", 0] = stored(tmp_path, {"t": [80], "u": FIVE}), 81
    others = [
        whole("o/other", "t", 80, 1),
        whole("o/m", "t", 81, 2, strategy="lora"),
        whole("o/m", "t", 82, 3, protocol=PROTOCOL.model_copy(update={"batch": 8})),
        whole("o/m", "t", 83, 4, task_fields={"version": 2}),
    ]
    for other in others:
        store.put(other)
    store.put(whole("o/m", "t", 79, 0), again=True)
    (check,) = verify(store, [whole("o/m", "t", 80, 0).record.key], level="retrain")
    assert not check.checked and "No other seed is stored" in check.detail


def test_collapsed_seeds_are_another_population(tmp_path: Path, again: Any) -> None:
    store = stored(tmp_path, {"t": [80, 82, 81, 79, 50]})
    again["t", 0], key = 90, whole("o/m", "t", 80, 0).record.key
    (check,) = verify(store, [key], level="retrain")
    assert check.failed and "of 4 stored seeds" in check.detail  # with 50 among them 90 would be inside
    again["t", 0] = 50
    (check,) = verify(store, [key], level="retrain")
    assert not check.checked  # one collapse is stored: how far apart such runs lie nobody knows


def test_many_re_runs_are_judged_together(tmp_path: Path, again: Any) -> None:
    tasks = [f"t{place}" for place in range(4)]
    store = stored(tmp_path, dict.fromkeys(tasks, FIVE))
    again |= {(task, 0): right for task, right in zip(tasks, (86, 81, 84, 82), strict=True)}
    keys = [whole("o/m", task, FIVE[0], 0).record.key for task in tasks]
    checks = list(verify(store, keys, level="retrain"))
    by_key = {check.key: check for check in checks}
    first = by_key[keys[0]]
    assert first.missed and first.ok and first.p_adjusted == pytest.approx(4 * first.p)  # alone it would fail
    assert "outside the 95% interval" in first.detail and "among 4 such re-runs (Holm)" in first.detail
    summary = summarise(checks)
    assert (summary.held, summary.failed, summary.unchecked) == (4, 0, 0)
    assert (summary.compared, summary.missed) == (4, 1)
    assert summary.p == pytest.approx(1 - 0.95**4)  # one miss or more of four
    assert "Of 4 re-runs with other bits 1 fell outside" in summary.sentence()


def test_a_run_that_fails_again_could_not_be_checked_and_the_others_are(tmp_path: Path, again: Any) -> None:
    store = stored(tmp_path, {"t": FIVE})
    again |= {("t", seed): right for seed, right in enumerate(FIVE)} | {("t", 3): SuiteError("No memory is left.")}
    heard: list[Any] = []
    checks = list(verify(store, level="retrain", finished=lambda outcome, stored: heard.append(outcome)))
    assert [check.checked for check in checks].count(False) == 1 and sum(check.ok for check in checks) == 4
    (lost,) = [check for check in checks if not check.checked]
    assert lost.detail == "it could not be run again: No memory is left."
    assert len(heard) == 5 and sum(isinstance(one, Failure) for one in heard) == 1
    assert summarise(checks).sentence() == "4 of 5 records hold at level retrain, 1 could not be checked."


def test_a_damaged_record_is_told_and_not_run_again(tmp_path: Path, again: Any) -> None:
    store = stored(tmp_path, {"t": FIVE})
    again |= {("t", seed): right for seed, right in enumerate(FIVE)}
    rewrite(records(Path(store.url))[0], lambda r: r["metrics"].update(accuracy=1.0))
    checks = list(verify(store, level="retrain"))
    assert [check.failed for check in checks].count(True) == 1 and len(checks) == 5
    assert sum(len(store.attempts(check.key)) for check in checks) == 9


def test_the_record_says_on_what_it_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: Any) -> None:
    asked: list[grid.Place] = []
    carry_out = grid.carry_out

    def watched(specs: Any, place: grid.Place, *rest: Any, **more: Any) -> Any:
        asked.append(place)
        return carry_out(specs, place, *rest, **more)

    monkeypatch.setattr(grid, "carry_out", watched)
    store, again["t", 0] = stored(tmp_path, {"t": [80]}), 80
    list(verify(store, level="retrain"))
    list(verify(store, level="retrain", device="auto", threads=2, workers=1))
    assert [(place.device, place.threads) for place in asked] == [("cpu", 1), ("cpu", 2)]
    with pytest.raises(SuiteError, match="There is no folder"):
        verify(store, level="retrain", models=["/no/such/folder"])


def test_a_run_of_other_semantics_is_left_to_its_own_version(tmp_path: Path, again: Any) -> None:
    store = Store(str(tmp_path / "old"))
    store.put(whole("o/m", "t", 80, 0, spec_fields={"semantics": 99}))
    (check,) = verify(store, level="retrain")
    assert not check.checked and "made under semantics 99" in check.detail
    assert store.attempts(check.key) == [1]


def test_checks_are_a_table_too(store: Store) -> None:
    checks = verify(store)
    table = checks.to_pandas()
    assert list(table["ok"]) == [True] * len(store.names()) and len(list(checks)) == len(table)
    assert checks.summary().sentence() == f"{len(table)} of {len(table)} records hold at level rescore."
    assert "rescore" in checks._repr_html_()


def test_the_command_tells_of_re_runs(tmp_path: Path, again: Any) -> None:
    store, again["t", 0] = stored(tmp_path, {"t": FIVE}), 95
    key = whole("o/m", "t", FIVE[0], 0).record.key
    told = call("verify", key[:12], "--level", "retrain", "--store", store.url)
    assert told.code == 1 and f"FAILED   {key[:12]}-1  attempt 2 gives accuracy 0.9500" in told.out
    assert "0 of 1 records hold at level retrain, 1 do not." in told.out
    told = call("verify", key[:12], "--level", "retrain", "--store", store.url, "--json")
    (line,) = told.objects
    assert line["ok"] is False and line["checked"] is True and 0 < line["p"] < 0.01
