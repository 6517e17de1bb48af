"""How often the suite's intervals hold the truth and its verdicts are wrong, in simulations whose truth is known.

    python benchmarks/coverage.py                          # some 30 minutes of one core
    python benchmarks/coverage.py --repetitions 2000 --only difference same

Every cell has a generator of its own, seeded by its setting: the figures come out again, one by one or all together.
Each is printed with the simulation's own standard error, all in percent. Twenty checkpoints take a fortieth of the
repetitions, re-runs over one test set a tenth. The tests hold the same functions to the same promises with fewer.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import simulated_rates as rates  # found by the line above
from simulated_scores import Setting, accuracy_estimates, f1_estimates

Line = tuple[str, str, float, int]
"""The setting, what is promised, the rate, and of how many repetitions."""

GRID = [(seeds, items) for seeds in (3, 5, 10) for items in (500, 2000)]


def _intervals(scores: rates.Scores, repetitions: int) -> Iterator[Line]:
    for seeds, items in GRID:
        for noise in (0.0, 0.02, 0.05, 0.1, 0.2, 0.5):
            rate = rates.interval_coverage(scores, Setting(seeds, items, noise), repetitions)
            yield f"S={seeds:<2} n={items:<4} seed noise {noise:.2f}", "93 to 97", rate, repetitions


def accuracy(repetitions: int) -> Iterator[Line]:
    """95% interval of the accuracy of one checkpoint."""
    yield from _intervals(accuracy_estimates, repetitions)


def macro_f1(repetitions: int) -> Iterator[Line]:
    """95% interval of the macro-F1 of one checkpoint, three classes of 70, 20 and 10%."""
    yield from _intervals(f1_estimates, repetitions)


def difference(repetitions: int) -> Iterator[Line]:
    """95% interval of the paired difference; alike: how much of what is hard is hard for both."""
    for seeds, items in GRID:
        for likeness, gap in ((1.0, 0.0), (0.8, 0.0), (0.8, 0.02), (0.3, 0.02)):
            for noise in (0.02, 0.2):
                rate = rates.difference_coverage(Setting(seeds, items, noise), likeness, gap, repetitions)
                place = f"S={seeds:<2} n={items:<4} seed noise {noise:.2f} alike {likeness:.1f} truly {gap:.2f}"
                yield place, "93 to 97", rate, repetitions


def false_different(repetitions: int) -> Iterator[Line]:
    """'different' of two that are equally good; alike 1.0: of two identical procedures."""
    for seeds, items in GRID:
        for likeness in (1.0, 0.8):
            rate = rates.false_different(Setting(seeds, items, 0.05), likeness, repetitions)
            yield f"S={seeds:<2} n={items:<4} alike {likeness:.1f}", "at most 5", rate, repetitions


def family_wise(repetitions: int) -> Iterator[Line]:
    """Any of the 190 pairs of 20 equally good checkpoints called different."""
    count = max(repetitions // 40, 20)
    for seeds in (3, 5, 10):
        for likeness in (1.0, 0.8):
            holms, unadjusted = rates.family_wise(Setting(seeds, 500, 0.05), likeness, 20, count)
            yield f"S={seeds:<2} n=500  alike {likeness:.1f} Holm", "at most 5", holms, count
            yield f"S={seeds:<2} n=500  alike {likeness:.1f} unadjusted", "(for contrast)", unadjusted, count


def same(repetitions: int) -> Iterator[Line]:
    """'the same' within +-3 points of two that truly differ by 3 points, and of two that do not differ."""
    for seeds, items in GRID:
        for likeness in (1.0, 0.8):
            for gap, promised in ((0.03, "at most 5"), (0.0, "(power)")):
                rate = rates.same(Setting(seeds, items, 0.05), likeness, 0.03, gap, repetitions)
                yield f"S={seeds:<2} n={items:<4} alike {likeness:.1f} truly {gap:.2f}", promised, rate, repetitions


def p_better(repetitions: int) -> Iterator[Line]:
    """95% interval of P(A > B); the least over the true values .1, .25, .5, .6, .75, .9 and .95."""
    draws = {"normal": rates.normal_scores, "B spreads 3 times": rates.uneven_scores, "skewed": rates.skewed_scores}
    for name, draw in draws.items():
        for s_a, s_b in ((3, 3), (3, 5), (5, 3), (5, 5), (5, 10), (10, 5), (10, 10)):
            truths = (0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 0.95)
            found = [rates.p_better_coverage(draw, truth, s_a, s_b, repetitions) for truth in truths]
            yield f"S={s_a},{s_b} {name}", "at least 93", min(found), repetitions


def collapses(repetitions: int) -> Iterator[Line]:
    """Runs of which 5% fall to chance: the rate, the mean of the others, and one mean over all."""
    for seeds in (3, 5, 10, 20):
        found = rates.collapse_coverages(seeds, repetitions)
        parts = (("rate", "at least 93"), ("others' mean", "93 to 97"), ("mean of all, Student's", "(for contrast)"))
        for (name, promised), rate in zip(parts, found, strict=True):
            yield f"S={seeds:<2} {name}", promised, rate, repetitions


def re_runs(repetitions: int) -> Iterator[Line]:
    """One run again: outside the predictive interval as it is, and four standard deviations worse."""
    for seeds in (3, 5, 10):
        scores = rates.generator(seeds, 9).normal(size=(repetitions, seeds + 1))
        kinds = {"normal": (scores, 1.0, repetitions)}
        for noise in (0.05, 0.4):
            some = max(repetitions // 10, 100)
            kinds[f"n=500 seed noise {noise:.2f}"] = (*rates.re_runs(Setting(seeds, 500, noise), some), some)
        for name, (values, spread, count) in kinds.items():
            false, caught, _ = rates.re_run_rates(values, spread)
            yield f"S={seeds:<2} {name} false alarm", "at most 7", false, count
            yield f"S={seeds:<2} {name} 4 sd worse", "at least 60" if seeds == 5 else "(power)", caught, count


def middle_half(repetitions: int) -> Iterator[Line]:
    """95% interval of the interquartile mean over runs, of which so many collapse."""
    for seeds in (3, 4, 5, 8, 10, 20):
        for rate in (0.0, 0.05):
            found = rates.iqm_coverage(seeds, repetitions, rate)
            yield f"S={seeds:<2} {100 * rate:.0f}% collapse", "93 to 97", found, repetitions


TABLES: dict[str, Callable[[int], Iterator[Line]]] = {
    "accuracy": accuracy,
    "macro-f1": macro_f1,
    "difference": difference,
    "false-different": false_different,
    "family-wise": family_wise,
    "same": same,
    "p-better": p_better,
    "collapses": collapses,
    "re-runs": re_runs,
    "middle-half": middle_half,
}


def show(name: str, repetitions: int) -> None:
    """Print one table as it comes."""
    table, started = TABLES[name], time.monotonic()
    print(f"\n{name}: {table.__doc__}", flush=True)
    for place, promised, rate, count in table(repetitions):
        error = (max(rate * (1 - rate), 0.25 / count) / count) ** 0.5
        print(f"  {place:<58} {promised:<15} {100 * rate:6.2f} +- {100 * error:.2f}", flush=True)
    print(f"  ({time.monotonic() - started:.0f} s)", flush=True)


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=20_000)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), metavar="TABLE")
    asked = parser.parse_args()
    for name in asked.only:
        show(name, asked.repetitions)


if __name__ == "__main__":
    main()
