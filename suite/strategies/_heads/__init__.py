"""Linear heads of frozen features, one for each strength of a grid: by one of the solvers, or in closed form."""

from __future__ import annotations

import numpy as np

from suite.stats import ridge
from suite.strategies._heads import lbfgs, path
from suite.strategies._heads._affine import Affine as Affine
from suite.strategies._heads._affine import Grid as Grid
from suite.strategies._heads._affine import Head as Head
from suite.strategies._heads._affine import Scale as Scale
from suite.strategies._heads._affine import Solver, narrow
from suite.strategies._heads._files import load as load
from suite.strategies._heads._files import save as save

SOLVERS = {
    "path": Solver(path.one_class, path.right_choice, path.every_class),
    "lbfgs": Solver(lbfgs.one_class, lbfgs.right_choice, lbfgs.every_class),
}

UNNAMED = "lbfgs"
"""The solver of recipes from before there were several: they name none, and their numbers stay."""


def number(x: np.ndarray, labels: np.ndarray, grid: Grid) -> list[Head]:
    """Return ridge regressions of a number [n], of strength alpha = 1/C."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the same bits whatever the number of cores
        lines = ridge.fit(x, labels[:, None].astype(np.float64), [1 / strength for strength in grid.strengths])
    return [
        Head(
            line.weights.size + 1,
            lambda x, line=line: narrow(line(x)),  # type: ignore[misc]
            lambda line=line: Affine(line.weights.T, line.intercept),  # type: ignore[misc]
        )
        for line in lines
    ]
