"""The index: a heading says what a board needs, and examples come back from their packing as they went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_records import LOSS, made

from suite import index
from suite.comparable import column_of, protocol_of, row_of
from suite.headings import heading
from suite.index import Line, entry_of, pack, read, write
from suite.spec import Mixture

NOWHERE: Any = None


def back(columns: dict[str, Any]) -> index.Entry:
    """Return the entry that an index of one line gives."""
    record = made("a", "one", [1.0]).record
    (line,) = read(write([Line(heading(record), pack(columns), "seal")])).values()
    return index.Entry(line.head, line.examples, NOWHERE)


@given(arrays(np.float64, st.integers(1, 70), elements=st.sampled_from([0.0, 1.0])))
def test_rights_and_wrongs_take_a_bit_each(values: np.ndarray) -> None:
    entry = back({"value": values})
    assert entry.values.dtype == np.float64 and entry.values.tolist() == values.tolist()
    assert entry.n == len(values)
    assert len(pack({"value": values}).packed) == 9 + -(-len(values) // 8)


@given(arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e9, 1e9)))
def test_other_values_come_back_to_the_bit(values: np.ndarray) -> None:
    entry = back({"value": values})
    assert entry.values.tolist() == values.tolist() and entry.n == len(values)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_rows_that_training_holds_come_back(seen: list[bool]) -> None:
    entry = back({"value": [0.5] * len(seen), "seen": seen})
    assert entry.seen is not None and entry.seen.tolist() == seen
    assert back({"value": [0.5]}).seen is None


def test_a_heading_says_what_a_board_needs() -> None:
    found = {"method": "m", "exact": 1, "clean": {"n": 3, "metrics": {"mean_squared_error": 0.25}}}
    counts = {"train": 9, "validation": 1, "test": 4, "failed": 2}
    result = made("a", "one", [0.5] * 4, main=LOSS, seed=3, contamination=found, counts=counts, collapsed=True)
    record, head = result.record, heading(result.record)
    assert (head.key, head.name) == (record.key, f"{record.key}-1")
    assert (head.row, head.column, head.protocol) == (row_of(record.spec), column_of(record), protocol_of(record.spec))
    assert (head.score, head.seed, head.collapsed, head.failed, head.clean) == (0.5, 3, True, 2, 0.25)
    assert (head.train, head.validation, head.test, head.distinct) == (9, 1, 4, None)
    assert (head.params, head.trainable, head.seconds, head.peak_memory) == (1000, 10, 2.0, 1_000_000_000)
    entry = entry_of(record, result.columns)
    assert entry.main == record.main and entry.task_spec == record.task_spec and entry.record == record
    assert entry.table == result.columns


def test_a_heading_survives_the_file() -> None:
    records = [
        made("a", "one", [1.0], seed=0).record,
        made("b", "two", [0.5], seed=7, spec_fields={"mixture": Mixture(), "settings": {"rate": 0.1}}).record,
        made("c", "one", [0.5], cost={}, checkpoint={}).record,
    ]
    lines = [Line(heading(record), pack({"value": [1.0]}), "s") for record in records]
    found = read(write(lines))
    assert list(found.values()) == lines


@pytest.mark.parametrize("content", [b"", b"no table", write([])[:-9]])
def test_what_is_no_index_has_no_lines(content: bytes) -> None:
    assert read(content) == {}


def test_a_record_of_a_way_to_cut_that_is_to_come_has_a_heading() -> None:
    assert heading(made("a", "one", [1.0], spec_fields={"resample": "jackknife:7"}).record).resample == "jackknife:7"


@pytest.mark.parametrize("field", ["score", "clean", "seconds"])
def test_an_index_with_a_number_that_is_none_is_of_no_use(field: str) -> None:
    head = heading(made("a", "one", [1.0]).record)._replace(**{field: float("inf")})
    assert read(write([Line(head, pack({"value": [1.0]}), "seal")])) == {}


@pytest.mark.parametrize("column", ["name", "seal"])
def test_an_index_with_fewer_lines_than_its_footer_says_is_of_no_use(
    monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    content = write([Line(heading(made("a", "one", [1.0]).record), pack({"value": [1.0]}), "seal")])
    whole = index.Piece.column
    monkeypatch.setattr(
        index.Piece, "column", lambda self, name, rows=None: whole(self, name, rows)[: -(name == column) or None]
    )
    assert index.Piece.opened(content) is None
