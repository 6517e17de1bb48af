"""Logistic regression along a path of strengths: every optimum from the ones before, by truncated Newton steps.

min over W, b of loss(y, xW + b) + |W|^2 / (2C), summed over rows; the intercepts b are not penalised. `one_of` takes
the loss of a softmax over k classes, `each` of k columns that share nothing: what scikit-learn's LogisticRegression
takes of more than two classes, and of two.

The sum is strictly convex in W, so that the answer is the problem's and not the solver's. Strengths are solved from the
strongest penalty to the weakest. Each starts from the last optimum, moved on along the line through the last two. A
step is what conjugate gradients make of Newton's equation until more of them would hardly help (Nash & Sofer 1990,
Operations Research Letters 9, 219-221), preconditioned by one weighted Gram matrix for all columns. How far it goes is
found exactly, which takes no product with x. `tolerance` is how far the sum may be above its minimum, by Newton's
estimate g' H^-1 g / 2. In these units 1/2 is one standard deviation of the posterior: 0.01 is nothing beside what
another sample would change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from suite.stats._losses import Loss, Sigmoids, Softmax
from suite.stats.ridge import Line

NARROW = 1e-3
"""From this tolerance on, products with x are taken in fp32, whose rounding is far below it."""

ENOUGH = 0.5
MOST_INNER = 200
MOST_TRIES = 30


@dataclass(frozen=True)
class Limits:
    """When to stop: within `tolerance` of the minimum, or after `steps` Newton steps a strength."""

    tolerance: float
    steps: int = 1000


def one_of(x: np.ndarray, labels: np.ndarray, strengths: Sequence[float], limits: Limits) -> list[Line]:
    """Return for each strength C > 0 the regression of a class 0 to k-1 [n] on x [n, width]; each class has a row.

    Their values [n, k] are logits that sum to 0 over the classes.
    """
    shares = np.log(np.bincount(labels))
    return _path(x, Softmax(labels), shares - shares.mean(), strengths, limits)


def each(x: np.ndarray, hits: np.ndarray, strengths: Sequence[float], limits: Limits) -> list[Line]:
    """Return for each strength C > 0 the regressions of every column of hits [n, k] on x [n, width].

    Hits are 0 or 1, and every column holds both. The values [n, k] are logits of 1.
    """
    ones = hits.sum(axis=0)
    return _path(x, Sigmoids(hits.astype(np.float64)), np.log(ones / (len(hits) - ones)), strengths, limits)


@dataclass(frozen=True)
class _Way:
    """A change of the weights fp64 [width + 1, k], the intercepts last, and of the values [n, k]."""

    weights: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class _Point:
    """Where the search stands: weights and values as in a way, the sum of losses [g], and what is expected [n, k]."""

    weights: np.ndarray
    values: np.ndarray
    lost: np.ndarray
    expected: np.ndarray

    def since(self, other: _Point) -> _Way:
        """Return the way from another point to this one."""
        return _Way(self.weights - other.weights, self.values - other.values)

    def only(self, live: np.ndarray) -> _Point:
        """Return some groups' columns of it."""
        if live.all():
            return self
        return _Point(self.weights[:, live], self.values[:, live], self.lost[live], self.expected[:, live])

    def put(self, live: np.ndarray, other: _Point) -> _Point:
        """Return it with some groups' columns as another has them."""
        if live.all():
            return other
        whole = _Point(self.weights.copy(), self.values.copy(), self.lost.copy(), self.expected.copy())
        whole.weights[:, live], whole.values[:, live] = other.weights, other.values
        whole.lost[live], whole.expected[:, live] = other.lost, other.expected
        return whole


@dataclass(frozen=True)
class _Problem:
    """Rows with a one behind their features, [n, width + 1], their loss, and what each weight's square costs."""

    z: np.ndarray
    loss: Loss
    penalty: np.ndarray

    def point(self, weights: np.ndarray, values: np.ndarray) -> _Point:
        """Return where these weights are."""
        return _Point(weights, values, *self.loss.at(values))

    def height(self, at: _Point) -> np.ndarray:
        """Return the sum of losses and penalty [g]."""
        return at.lost + self.loss.dot(self.penalty * at.weights, at.weights) / 2

    def slope(self, at: _Point) -> np.ndarray:
        """Return its derivative by the weights, fp64 [width + 1, k]."""
        residual = self.loss.residual(at.expected).astype(self.z.dtype)
        found: np.ndarray = (self.z.T @ residual).astype(np.float64) + self.penalty * at.weights
        return found


def _path(x: np.ndarray, loss: Loss, intercepts: np.ndarray, strengths: Sequence[float], limits: Limits) -> list[Line]:
    features, basis = _reduced(x)
    n, width = features.shape
    z = np.ones((n, width + 1), np.float32 if limits.tolerance >= NARROW else np.float64)
    z[:, :width] = features
    penalised = np.concatenate([np.ones(width), [0.0]])[:, None]
    problem = _Problem(z, loss, penalised)
    before, point = None, problem.point((1 - penalised) * intercepts, np.tile(intercepts, (n, 1)))
    found: dict[float, Line] = {}
    for strength in sorted(set(strengths)):
        problem = replace(problem, penalty=penalised / strength)
        begun = point if before is None else _lowest(problem, point, point.since(before))
        before, point = point, _solve(problem, begun, limits)
        weights = point.weights[:width]
        found[strength] = Line(weights if basis is None else basis @ weights, point.weights[width])
    return [found[strength] for strength in strengths]


def _reduced(x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return as many features as there are rows where there are more, and the basis that these are in.

    Nothing is lost: the optimal weights lie in the span of the rows.
    """
    if len(x) >= x.shape[1]:
        return x, None
    basis, upper = np.linalg.qr(x.T)
    return upper.T, basis


def _solve(problem: _Problem, point: _Point, limits: Limits) -> _Point:
    """Return the optimum of one strength; groups that are there already are left alone."""
    condition = _condition(problem, point)
    live = np.ones(len(point.lost), dtype=bool)
    for _ in range(limits.steps):
        some, here = replace(problem, loss=problem.loss.only(live)), point.only(live)
        slope = some.slope(here)
        way = _newton(some, here, -slope, condition, limits.tolerance)
        there = _lowest(some, here, way)
        point = point.put(live, there)
        # What gains nothing though it should is at the end of what its numbers can tell.
        promised, gained = -some.loss.dot(slope, way.weights), some.height(here) - some.height(there)
        live[live] = (promised > 2 * limits.tolerance) & (gained > limits.tolerance / 100)
        if not live.any():
            break
    return point


def _condition(problem: _Problem, point: _Point) -> np.ndarray:
    """Return the inverse of a matrix that is like every column's second derivative, [width + 1, width + 1]."""
    from scipy.linalg import lapack

    bent = np.sqrt(problem.loss.bent(point.expected))
    rows = problem.z * bent.astype(problem.z.dtype)[:, None]
    matrix = (rows.T @ rows).astype(np.float64)  # numpy sees that it is symmetric, and takes half the time
    diagonal = np.einsum("ii->i", matrix)
    # It need not be right, but its inverse must be positive.
    least = 10 * np.finfo(rows.dtype).eps * (diagonal.sum() + problem.penalty.max())
    diagonal += np.maximum(problem.penalty[:, 0], least)
    factor, _ = lapack.dpotrf(matrix, lower=1, overwrite_a=1)
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    return np.ascontiguousarray(lower + np.tril(lower, -1).T, dtype=rows.dtype)


def _newton(problem: _Problem, at: _Point, downhill: np.ndarray, condition: np.ndarray, tolerance: float) -> _Way:
    """Return a step towards where the slope is zero, by preconditioned conjugate gradients in the precision of z.

    They stop where the last one, times their number, gained less than half of what all gained, or a tenth of the
    tolerance.
    """
    z, dot = problem.z, problem.loss.dot
    expected, penalty = at.expected.astype(z.dtype), problem.penalty.astype(z.dtype)
    left = downhill.astype(z.dtype)
    towards = condition @ left
    direction, size = towards.copy(), dot(left, towards)
    step, moved, gained = np.zeros_like(left), np.zeros_like(expected), np.zeros_like(size)
    for inner in range(1, MOST_INNER + 1):
        values = z @ direction
        bent = z.T @ problem.loss.curved(expected, values) + penalty * direction
        curve = dot(direction, bent)
        far = np.divide(size, curve, out=np.zeros_like(size), where=(size > 0) & (curve > 0))
        scale = far.astype(z.dtype)
        step, moved, left = step + scale * direction, moved + scale * values, left - scale * bent
        gained += far * size
        if (inner * far * size <= np.maximum(ENOUGH * gained, tolerance / 10)).all():
            break
        towards = condition @ left
        last, size = size, dot(left, towards)
        ratio = np.divide(size, last, out=np.zeros_like(size), where=last > 0)
        direction = towards + ratio.astype(z.dtype) * direction
    return _Way(step.astype(np.float64), moved.astype(np.float64))


def _lowest(problem: _Problem, point: _Point, way: _Way) -> _Point:
    """Return the lowest point along a way, as near as matters; where it leads up, the point itself.

    One dimension, strictly convex: Newton's method, kept between what is known to be too near and too far.
    """
    loss = problem.loss
    cost, grows = (loss.dot(problem.penalty * a, way.weights) for a in (point.weights, way.weights))

    def slope(expected: np.ndarray, far: np.ndarray) -> np.ndarray:
        found: np.ndarray = loss.dot(loss.residual(expected), way.values) + cost + far * grows
        return found

    first = slope(point.expected, np.zeros_like(cost))
    near, beyond, far = np.zeros_like(first), np.full_like(first, np.inf), np.where(first < 0, 1.0, 0.0)
    open_ = first < 0
    for _ in range(MOST_TRIES):
        there = problem.point(point.weights + far * way.weights, point.values + far * way.values)
        found = slope(there.expected, far)
        curve = loss.dot(loss.curved(there.expected, way.values), way.values) + grows
        open_ = open_ & (found**2 > 0.01 * curve * -first * far)
        if not open_.any():
            return there
        near, beyond = np.where(found < 0, far, near), np.where(found > 0, far, beyond)
        next_ = far - np.divide(found, curve, out=np.zeros_like(found), where=curve > 0)
        inside = (next_ > near) & (next_ < beyond)
        far = np.where(open_, np.where(inside, next_, (near + np.minimum(beyond, 2 * far + 1)) / 2), far)
    return problem.point(point.weights + near * way.weights, point.values + near * way.values)
