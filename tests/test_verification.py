"""A record that was changed is named, whatever was changed and however well it was hidden."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import call

from suite.spec import SuiteError, canonical_json, digest
from suite.store import Store
from suite.verification import Check, verify

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
    for name, data in files.items():
        (entry / name).write_bytes(data)
    digests = {name: digest(data) for name, data in files.items()}
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
    assert {frozenset(line) for line in lines} == {frozenset({"key", "level", "ok", "detail"})}
    assert "FAILED" in call("verify", entry.name[:10], "--store", store.url).out


@pytest.mark.parametrize("words", [[], ["--all", "abcdef"], ["--all", "--level", "deeper"]])
def test_words_that_make_no_sense_end_with_2(store: Store, words: list[str]) -> None:
    told = call("verify", *words, "--store", store.url)
    assert told.code == 2
    assert told.err.startswith("error: ")
