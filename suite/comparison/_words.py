"""A comparison in sentences, for whoever reads no tables."""

from __future__ import annotations

from suite.comparison import Comparison, TaskVerdict


def in_words(pair: Comparison) -> str:
    """Return what came of a comparison in a few sentences."""
    names = f"A is {pair.a}, B is {pair.b}."
    if pair.verdict == "not comparable":
        return f"{names} Not comparable: {pair.reason}."
    parts = [names, _headline(pair), _by_task(pair), _over_seeds(pair), _over_tasks(pair), _next(pair), _left_out(pair)]
    return " ".join(part for part in parts if part)


def _headline(pair: Comparison) -> str:
    tasks = [task for task, one in pair.tasks.items() if one.verdict != "not comparable"]
    over = f"over {len(tasks)} tasks" if len(tasks) > 1 else f"on {tasks[0]}"
    gap = f"{_points(abs(pair.difference or 0))} points {over} ({_sureness(pair)})"
    first, second = ("A", "B") if (pair.difference or 0) >= 0 else ("B", "A")
    if pair.verdict == "different":
        return f"Different: {first} is better than {second} by {gap}."
    if pair.verdict == "same":
        return f"The same: they differ by {gap}, which is less than {_points(pair.delta)} with 95% confidence."
    return f"Undecided: {first} is ahead of {second} by {gap}."


def _sureness(pair: Comparison) -> str:
    if pair.interval is None or pair.p is None:
        return "with no interval, since nothing is known of how far it might vary"
    low, high = pair.interval
    return f"95% interval {_points(low, sign=True)} to {_points(high, sign=True)}, p {_p(pair.p)}"


def _by_task(pair: Comparison) -> str:
    """Name the tasks on which the two differ, and count the others."""
    if len(pair.tasks) < 2:
        return ""
    apart = [(task, one) for task, one in pair.tasks.items() if one.verdict == "different"]
    told = [f"{task} ({'A' if _favours_a(one) else 'B'} by {_size(one)})" for task, one in apart]
    same = [task for task, one in pair.tasks.items() if one.verdict == "same"]
    parts = [f"different on {', '.join(told)}"] if told else []
    parts += [f"the same on {', '.join(same)}"] if same else []
    undecided = sum(one.verdict == "undecided" for one in pair.tasks.values())
    parts += [f"undecided on {undecided}"] if undecided else []
    return f"Task by task: {'; '.join(parts)}." if parts else ""


def _favours_a(one: TaskVerdict) -> bool:
    return (one.difference or 0) * (1 if one.greater_is_better else -1) > 0


def _size(one: TaskVerdict) -> str:
    gap = abs(one.difference or 0)
    return f"{_points(gap)}" if one.greater_is_better else f"{gap:.3g}"


def _over_seeds(pair: Comparison) -> str:
    if pair.p_a_better is None or pair.p_a_better_interval is None:
        return ""
    low, high = (100 * end for end in pair.p_a_better_interval)
    return f"A run of A beats a run of B {100 * pair.p_a_better:.0f}% of the time ({low:.0f} to {high:.0f}%)."


def _over_tasks(pair: Comparison) -> str:
    if pair.over_tasks is None:
        return ""
    better, same, worse = (f"{100 * share:.0f}%" for share in pair.over_tasks)
    return f"On a task like these A is better with a probability of {better}, the same {same}, worse {worse}."


def _next(pair: Comparison) -> str:
    if pair.verdict != "undecided" or pair.interval is None:
        return ""
    if pair.seeds_needed is None:
        return "If these numbers are the truth, no number of seeds decides it: that takes more test examples or tasks."
    return f"If these numbers are the truth, {pair.seeds_needed} seeds a side decide it."


def _left_out(pair: Comparison) -> str:
    left = [f"{task} ({one.reason})" for task, one in pair.tasks.items() if one.verdict == "not comparable"]
    return f"Left out: {'; '.join(left)}." if left else ""


def _points(value: float | None, sign: bool = False) -> str:
    if value is None:
        return "?"
    return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"


def _p(p: float) -> str:
    return "< .0001" if p < 1e-4 else f"= {p:.4f}".replace("0.", ".", 1)
