"""What a frozen checkpoint's features are worth: a logistic regression on a bundled task."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def probe(task: Path, features: Callable[[pa.Table], np.ndarray]) -> float:
    """Return the test accuracy on a task's folder, given (rows, width) features of a table."""
    train, test = (pq.read_table(task / f"{split}.parquet") for split in ("train", "test"))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    classifier.fit(features(train), train["label"].to_pylist())
    return float(classifier.score(features(test), test["label"].to_pylist()))
