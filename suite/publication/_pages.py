"""What a data set of records says of itself: its card, with what viewers and `load_dataset` need, and its columns."""

from __future__ import annotations

from typing import Any

from suite import cards, packaging
from suite.publication._columns import COLUMNS, WHOLE

SCHEMA = "SCHEMA.md"
_CONFIGS = [
    {"config_name": "records", "default": True, "data_files": f"{packaging.FOLDER}/*/{packaging.RECORDS}"},
    {"config_name": "predictions", "data_files": f"{packaging.FOLDER}/*/{packaging.PREDICTIONS}"},
]
_SECTION = """Records of how well pre-trained checkpoints adapt, made by Transfer Suite. Each row is one run: one
checkpoint, adapted to one task by one strategy under one protocol with one seed, and its score on the task's test rows.
What could move the number is pinned and in the row: commits of checkpoint and data, versions, settings, seeds.

As a leaderboard, with intervals, ties and what is missing:

```
suite leaderboard --store hf://datasets/{repo}
suite compare MODEL_A MODEL_B --store hf://datasets/{repo}
suite verify --all --store hf://datasets/{repo}
```

As a table:

```python
from datasets import load_dataset

records = load_dataset("{repo}", split="train")
records.to_pandas().groupby(["model", "strategy", "task"]).score.agg(["mean", "std", "count"])
```

What each test example was predicted to be, with its scores; the bytes of one parquet file a record:

```python
import io
import pyarrow.parquet as pq

row = load_dataset("{repo}", "predictions", split="train")[0]
pq.read_table(io.BytesIO(row["predictions"])).to_pandas()
```

- Every column: [{schema}]({schema}).
- A mean over what happens to be present is no ranking: rows with other tasks, versions, protocols or test rows are not
  comparable. The command above compares like with like and says what it leaves out.
- Nothing is ever overwritten. A pack is a folder of `{folder}`, named by what it holds; more records are more packs.
  Each record has the sha256 of its table, and `suite verify` derives its scores again from it.
- Add yours: `suite publish-results --to {repo}`, with `--pr` where the data set is not yours.
"""


def card(repo: str) -> cards.Card:
    """Return the card of a data set of records."""
    metadata: dict[str, Any] = {
        "pretty_name": "Transfer Suite results",
        "tags": ["transfer-suite", "evaluation-results", "leaderboard"],
        "configs": _CONFIGS,
    }
    title = repo.partition("/")[2]
    return cards.Card(title, _SECTION.format(repo=repo, schema=SCHEMA, folder=packaging.FOLDER), metadata)


def schema_page() -> str:
    """Return the page that says what every column is."""
    rows = [f"| `{one.name}` | {one.type} | {one.words} |" for one in COLUMNS]
    whole = [f"| `{name}` | string | {words} |" for name, words in WHOLE]
    return "\n".join(
        [
            "# Columns",
            "",
            f"`{packaging.FOLDER}/*/{packaging.RECORDS}` has one row a record; null is what nobody measured.",
            "",
            "| column | type | what it says |",
            "| --- | --- | --- |",
            *rows,
            *whole,
            "",
            f"`{packaging.FOLDER}/*/{packaging.PREDICTIONS}` has the same rows in the same order:",
            "",
            "| column | type | what it says |",
            "| --- | --- | --- |",
            "| `name` | string | the record's name |",
            "| `predictions` | binary | a parquet file, one row a test example: `id`, `label`, `prediction`, `scores` "
            "(fp32), `value` (what it gives to the main metric); `cluster` and `seen` where there is more to say |",
            "",
            f"`{packaging.FOLDER}/*/{packaging.INDEX}` is what a leaderboard needs of each, packed; "
            "the other two have it all.",
            "",
        ]
    )
