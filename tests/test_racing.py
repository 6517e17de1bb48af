"""The race: what a look decides, where it ends, and by simulation whom it removes and what it saves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.stats import t as student

from suite.stats._behind import over_seeds, over_tasks
from suite.stats.racing import LOOKS, Cell, Look, Rules, Table, race


@dataclass
class Run:
    """A race carried through on given scores."""

    table: Table
    looks: list[Look] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)

    @property
    def survivors(self) -> list[int]:
        return [int(i) for i in np.flatnonzero(self.table.alive)]

    @property
    def leader(self) -> int:
        return int(np.where(self.table.alive, self.table.means(), -np.inf).argmax())


def carried(scores: np.ndarray, rules: Rules, collapsed: np.ndarray | None = None) -> Run:
    """Race over scores [k, tasks, seeds] that are there already."""
    run = Run(Table(*scores.shape[:2]))
    for step in race(run.table, rules):
        if isinstance(step, Look):
            run.looks.append(step)
            continue
        run.cells += step
        for cell in step:
            run.table.put(cell, float(scores[cell]), bool(collapsed is not None and collapsed[cell]))
    return run


def matrix(rng: np.random.Generator, k: int = 20, tasks: int = 6, sd: tuple[float, ...] = (8, 3, 2)) -> np.ndarray:
    """Return true scores in points, of low rank plus an interaction, as matrices of models by tasks are."""
    skills = rng.normal(size=(k, len(sd))) * np.array(sd)
    loads = rng.normal(size=(tasks, len(sd))) * np.array([0.3, *[1.0] * (len(sd) - 1)])
    loads[:, 0] += 1
    return 70 + skills @ loads.T + 2 * rng.normal(size=(k, tasks))


# -- rules -------------------------------------------------------------------------------------------------------------


def test_looks_come_as_planned_and_one_when_all_tasks_are_in() -> None:
    assert Rules().looks(6) == (4, 6)
    assert Rules().looks(4) == (4,)
    assert Rules().looks(3) == (3,)
    assert Rules().looks(40) == (*LOOKS, 40)


def test_one_noisy_seed_needs_four_tasks() -> None:
    assert Rules(seeds=1).looks(3) == ()
    assert Rules(seeds=1).looks(5) == (4, 5)
    assert Rules(seeds=1, noisy=False).looks(3) == (3,)


@pytest.mark.parametrize(
    "rules", [Rules(0.05, 5), Rules(0.1, 2), Rules(0.05, 1), Rules(0.05, None), Rules(noisy=False)]
)
@pytest.mark.parametrize("tasks", [1, 4, 6, 19, 38])
def test_all_looks_together_spend_at_most_alpha(rules: Rules, tasks: int) -> None:
    spent = sum(rules.level("tasks", i + 1, tasks) for i in range(len(rules.looks(tasks))))
    if rules.noise == "seeds":
        looks = 10_000 if rules.seeds is None else rules.seeds - 1
        spent += sum(rules.level("seeds", i + 1, tasks) for i in range(looks))
    assert spent <= rules.alpha + 1e-12
    if rules.noise != "unknown" or tasks >= 4:
        assert spent == pytest.approx(rules.alpha, rel=1e-3)


# -- what a look measures ----------------------------------------------------------------------------------------------


def test_the_error_over_tasks_is_its_formula_written_out() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4, 5, 2)) + np.arange(4)[:, None, None]
    scores[:2, :, 1] = np.nan  # of four, two have run a second seed
    found = over_tasks(scores, np.zeros(scores.shape, dtype=bool), 12, "seeds")
    assert found.leader == 3
    noise = [np.mean([np.var(scores[m, j], ddof=1) for j in range(5)]) for m in (2, 3)]
    own = max(noise[1], np.mean(noise))
    for m in range(2):
        d = scores[3].mean(axis=1) - scores[m, :, 0]
        still, seeds = d.var(ddof=1) / 5 * (1 - 5 / 12), (own / 2 + max(noise)) / 12
        assert found.gap[m] == pytest.approx(d.mean())
        assert found.error[m] ** 2 == pytest.approx(still + seeds)
        assert found.df[m] == pytest.approx((still + seeds) ** 2 / (still**2 / 4 + seeds**2 / 10))
        expected = student.ppf(1 - 0.01 / 3, found.df[m]) * found.error[m]
        assert found.margin(0.01, 3)[m] == pytest.approx(expected)


def test_the_error_over_seeds_is_its_formula_written_out() -> None:
    scores = np.random.default_rng(1).normal(size=(5, 3, 4)) + np.arange(5)[:, None, None]
    found = over_seeds(scores)
    noise = [np.mean([np.var(scores[m, j], ddof=1) for j in range(3)]) for m in range(5)]
    used = np.maximum(noise, np.mean(noise))
    assert found.leader == 4
    for m in range(5):
        assert found.gap[m] == pytest.approx(scores[4].mean() - scores[m].mean())
        assert found.error[m] ** 2 == pytest.approx((used[4] + used[m]) / 12)
        assert found.df[m] == 5 * 3 * 3


def test_with_one_seed_tasks_are_a_sample_and_without_noise_a_score_is_what_it_is() -> None:
    scores = np.random.default_rng(2).normal(size=(3, 6, 1))
    none = np.zeros(scores.shape, dtype=bool)
    d = scores[:, :, 0].mean(axis=1)
    gaps = scores[d.argmax(), :, 0] - scores[:, :, 0]
    assert over_tasks(scores, none, 6, "unknown").error ** 2 == pytest.approx(
        np.where(np.arange(3) == d.argmax(), np.inf, gaps.var(axis=1, ddof=1) / 6)
    )
    assert (over_tasks(scores, none, 6, "none").error == 0).all()


# -- a race ------------------------------------------------------------------------------------------------------------


def test_who_is_far_behind_is_removed_and_the_race_ends_when_one_is_left() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([70.0, 60.0, 50.0, 40.0])[:, None, None]
    run = carried(truth + rng.normal(0, 0.5, size=(4, 6, 5)), Rules())
    assert run.survivors == [0]
    assert run.looks[-1].leader == 0
    assert len(run.cells) < 4 * 6 * 5 / 2
    for look in run.looks:
        assert all(gap > margin > 0 for gap, margin in look.removed.values())
        assert look.leader not in look.removed


def test_the_race_ends_when_the_planned_seeds_are_used_up() -> None:
    scores = 70 + np.random.default_rng(2).normal(size=(3, 2, 4))
    run = carried(scores, Rules(seeds=4))
    assert run.survivors == [0, 1, 2]
    assert sorted(run.cells) == [(m, j, s) for m in range(3) for j in range(2) for s in range(4)]
    assert [(look.phase, look.at) for look in run.looks] == [("tasks", 2), ("seeds", 2), ("seeds", 3), ("seeds", 4)]


def test_without_a_planned_end_it_goes_on_until_one_is_left() -> None:
    rng = np.random.default_rng(0)
    scores = np.array([0.0, 0.6])[:, None, None] + rng.normal(size=(2, 3, 200))
    run = carried(scores, Rules(seeds=None))
    assert run.survivors == [1]
    assert 2 < run.table.scores.shape[2] < 200


def test_no_run_is_asked_for_twice_nor_of_one_that_is_out() -> None:
    run = carried(matrix(np.random.default_rng(3), tasks=12)[:, :, None] + np.zeros(5), Rules())
    noisy = np.random.default_rng(4).normal(0, 1.5, size=(20, 12, 5))
    run = carried(matrix(np.random.default_rng(3), tasks=12)[:, :, None] + noisy, Rules())
    assert len(set(run.cells)) == len(run.cells)
    gone: set[int] = set()
    table, later = Table(20, 12), []
    for step in race(table, Rules()):
        if isinstance(step, Look):
            gone |= step.removed.keys()
            continue
        later += [cell for cell in step if cell[0] in gone]
        for cell in step:
            table.put(cell, 1.0 * cell[0])
    assert not later


def test_a_race_is_a_function_of_its_scores() -> None:
    rng = np.random.default_rng(5)
    scores = matrix(rng, 8, 8)[:, :, None] + rng.normal(0, 1.5, size=(8, 8, 5))
    one, other = carried(scores, Rules()), Run(Table(8, 8))
    for step in race(other.table, Rules()):
        if isinstance(step, Look):
            other.looks.append(step)
            continue
        other.cells += step
        for cell in reversed(step):  # results come in any order
            other.table.put(cell, float(scores[cell]))
    assert (one.looks, one.cells) == (other.looks, other.cells)


def test_a_checkpoint_that_fails_leaves_and_the_others_go_on() -> None:
    rng = np.random.default_rng(6)
    scores = np.array([70.0, 69.9, 40.0])[:, None, None] + rng.normal(size=(3, 4, 3))
    table, asked = Table(3, 4), []
    for step in race(table, Rules(seeds=3)):
        if isinstance(step, Look):
            continue
        asked += step
        for cell in step:
            if cell == (0, 2, 0):
                table.withdraw(0)
            else:
                table.put(cell, float(scores[cell]))
    assert [bool(alive) for alive in table.alive] == [False, True, False]
    assert not [cell for cell in asked if cell[0] == 0 and cell[2] > 0]


def test_one_of_two_that_fails_ends_the_race() -> None:
    table = Table(2, 3)
    steps = race(table, Rules())
    for cell in next(steps):  # type: ignore[arg-type]
        table.put(cell, 1.0) if cell[0] else table.withdraw(0)
    assert list(steps) == []
    assert table.over


@pytest.mark.parametrize("rules", [Rules(), Rules(seeds=1), Rules(noisy=False)])
def test_equals_all_stay(rules: Rules) -> None:
    run = carried(np.full((4, 6, 5), 0.7), rules)
    assert run.survivors == [0, 1, 2, 3]
    assert all(not look.removed for look in run.looks)


def test_seeds_that_agree_everywhere_tell_no_noise_and_so_nobody_is_removed() -> None:
    assert carried(np.arange(4.0)[:, None, None] + np.zeros((4, 6, 5)), Rules()).survivors == [0, 1, 2, 3]


def test_where_seeds_make_no_difference_all_tasks_decide() -> None:
    scores = np.array([[0.7, 0.6], [0.6, 0.68], [0.7, 0.6]])[:, :, None]
    run = carried(scores, Rules(noisy=False))
    assert run.survivors == [0, 2]
    assert len(run.cells) == 6


def test_a_collapsed_first_run_does_not_throw_out_the_best() -> None:
    rng = np.random.default_rng(7)
    scores = np.array([72.0, 70.0, 69.9, 69.8, 69.7, 40.0])[:, None, None] + rng.normal(0, 0.5, size=(6, 6, 5))
    collapsed = np.zeros(scores.shape, dtype=bool)
    scores[0, 1, 0], collapsed[0, 1, 0] = 10.0, True
    run = carried(scores, Rules(), collapsed)
    assert 0 in run.survivors
    assert 5 not in run.survivors
    assert 0 not in carried(scores, Rules()).survivors  # had it not been known for a collapse


def test_means_are_over_the_tasks_that_ran_each_counting_once() -> None:
    table = Table(2, 3)
    for cell, score in {(0, 0, 0): 1.0, (0, 0, 1): 3.0, (0, 1, 0): 4.0}.items():
        table.put(cell, score)
    means = table.means()
    assert means[0] == 3.0
    assert np.isnan(means[1])


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="a score is"):
        Table(2, 2).put((0, 0, 0), score)


# -- simulations: 20 checkpoints, seed noise 1.5 points, 5 seeds, alpha 5% ---------------------------------------------


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return 1.5 * rng.normal(size=shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return 1.5 * rng.standard_t(3, size=shape) / np.sqrt(3)


def uneven(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Some checkpoints are several times as noisy as others."""
    sizes = np.exp(0.7 * rng.normal(size=(shape[0], 1, 1)))
    return 1.5 * sizes / np.sqrt((sizes**2).mean()) * rng.normal(size=shape)


def collapsing(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """3 runs in 100 lose 30 points."""
    return normal(rng, shape) - 30 * (rng.random(shape) < 0.03)


def equals(rng: np.random.Generator, k: int, tasks: int) -> np.ndarray:
    return np.full((k, tasks), 70.0) + 1e-6 * (np.arange(k) == 0)[:, None]


def opposites(rng: np.random.Generator, k: int, tasks: int) -> np.ndarray:
    """Equal means, and 4 points of interaction with tasks."""
    truth = 4 * rng.normal(size=(k, tasks))
    return 70 + truth - truth.mean(axis=1, keepdims=True) + 0.01 * (np.arange(k) == 0)[:, None]


@dataclass
class Outcomes:
    """Over many races: shares of the true best removed and found (by the full grid too), regret in points, cost."""

    removed: float
    found: float
    found_by_all: float
    regret: float
    regret_of_all: float
    spent: float


def simulated(
    truths: Callable[[np.random.Generator, int, int], np.ndarray],
    noise: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray],
    tasks: int,
    repetitions: int,
    rules: Rules = Rules(),  # noqa: B008  # frozen
) -> Outcomes:
    rng = np.random.default_rng([tasks, repetitions])
    rows = []
    for _ in range(repetitions):
        truth = truths(rng, 20, tasks)
        drawn = noise(rng, (20, tasks, 5))
        scores = truth[:, :, None] + drawn
        run = carried(scores, rules, drawn < -20)
        means = truth.mean(axis=1)
        best, full = int(means.argmax()), int(scores.mean(axis=(1, 2)).argmax())
        lost = [means[best] - means[one] for one in (run.leader, full)]
        rows.append(
            [best not in run.survivors, run.leader == best, full == best, *lost, len(run.cells) / (20 * tasks * 5)]
        )
    return Outcomes(*np.mean(np.array(rows, dtype=float), axis=0).tolist())


@pytest.mark.parametrize(
    ("truths", "tasks", "noise"),
    [
        (equals, 1, normal),
        (equals, 1, uneven),
        (equals, 6, heavy),
        (equals, 6, collapsing),
        (equals, 19, normal),
        (equals, 19, uneven),
        (opposites, 6, normal),
        (opposites, 6, collapsing),
        (opposites, 6, uneven),
        (opposites, 19, heavy),
        (opposites, 19, normal),
    ],
)
def test_the_best_of_all_but_equals_is_removed_at_most_alpha_of_the_time(
    truths: Callable[..., np.ndarray], tasks: int, noise: Callable[..., np.ndarray]
) -> None:
    repetitions = 250
    within = 3 * np.sqrt(0.05 * 0.95 / repetitions)  # three Monte Carlo errors
    assert simulated(truths, noise, tasks, repetitions).removed <= 0.05 + within


def test_without_the_error_of_the_seeds_it_would_be_removed_far_more_often() -> None:
    rng = np.random.default_rng(0)
    removed = 0
    for _ in range(200):
        scores = equals(rng, 20, 19)[:, :, None] + normal(rng, (20, 19, 1))
        run = carried(scores, Rules(alpha=0.025, noisy=False))
        removed += any(0 in look.removed for look in run.looks if look.at < 19)
    assert removed / 200 > 0.25


@pytest.mark.parametrize(("tasks", "most"), [(6, 0.27), (19, 0.16)])
def test_what_a_race_spends_and_finds(tasks: int, most: float) -> None:
    of = simulated(lambda rng, k, n: matrix(rng, k, n), normal, tasks, 400)
    assert of.removed <= 0.01
    assert of.found >= of.found_by_all - 0.01
    assert of.regret <= of.regret_of_all + 0.05  # points
    assert of.spent <= most
