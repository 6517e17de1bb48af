"""Forgetting and transfer, on matrices whose answers can be told by eye."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.stats.continual import backward_transfer, forgetting, forward_transfer

# After 0, 1, 2 and 3 stages, on the rows of each of three stages.
R = np.array([[0.1, 0.2, 0.3], [0.9, 0.4, 0.3], [0.8, 0.9, 0.5], [0.6, 0.7, 0.9]])


def test_what_was_learned_and_lost_is_forgotten() -> None:
    assert forgetting(R) == pytest.approx(((0.9 - 0.6) + (0.9 - 0.7)) / 2)
    assert backward_transfer(R) == pytest.approx(((0.6 - 0.9) + (0.7 - 0.9)) / 2)


def test_what_helps_before_it_is_learned_is_forward_transfer() -> None:
    assert forward_transfer(R) == pytest.approx(((0.4 - 0.2) + (0.5 - 0.3)) / 2)


def test_a_best_score_after_later_stages_counts_as_forgotten_too() -> None:
    late = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.8, 0.5, 0.0], [0.6, 0.5, 0.5]])
    assert forgetting(late) == pytest.approx((0.8 - 0.6) / 2)
    assert backward_transfer(late) == pytest.approx((0.6 - 0.5) / 2)


@given(st.integers(2, 6), st.floats(0, 1))
def test_a_model_that_does_not_move_neither_forgets_nor_transfers(stages: int, level: float) -> None:
    still = np.full((stages + 1, stages), level)
    assert forgetting(still) == backward_transfer(still) == forward_transfer(still) == 0


@given(st.integers(2, 5), st.integers(0, 99))
def test_forgetting_is_at_least_what_backward_transfer_lost(stages: int, seed: int) -> None:
    scores = np.random.default_rng(seed).random((stages + 1, stages))
    assert forgetting(scores) >= -backward_transfer(scores) - 1e-12
