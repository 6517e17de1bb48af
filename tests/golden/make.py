"""Make the golden store anew: `python tests/golden/make.py`. Only when SEMANTICS was bumped, and on purpose.

The records in `store/` must load for ever, and their keys and scores must stay while SEMANTICS does.
`input/` is kept with them, so that the very same runs can be planned and carried out again.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from suite.grid import Report

HERE = Path(__file__).resolve().parent
INPUT, STORE, NEWER = HERE / "input", HERE / "store", HERE / "newer"
TASK = """\
name: golden
version: 1
kind: text_classification
dataset:
  path: csv
  data_files: {train: train.csv, test: test.csv}
columns: {text: text, label: label}
labels: [bad, good]
metrics: [accuracy, balanced_accuracy, f1_macro, f1_micro, f1_weighted, matthews_correlation]
main: accuracy
tags: [golden]
"""
PROTOCOL = """\
name: golden
version: 1
seeds: 1
batch: 4
budget: {epochs: 1, min_steps: 60, max_steps: 60}
selection: {looks: 1}
max_length: 16
settings: {full: {learning_rate: 0.005}}
"""
RECIPES = {
    "linear_probe": {"pooling": "mean", "C": [0.0001, 0.001, 0.01, 0.1, 1.0], "train_share": 0.9, "max_iter": 1000}
}
"""Recipes that were the default when the store was made and are no more; their numbers stay."""

ADJECTIVES = {"good": ("bright", "calm", "kind"), "bad": ("bitter", "cold", "dull")}
NOUNS = ("day", "film", "river", "street", "song", "garden", "night")


def write_inputs(folder: Path) -> None:
    """Write the task, its rows and the protocol: everything but the checkpoint."""
    rows = [f"a {word} {noun},{label}\n" for noun in NOUNS for label, words in ADJECTIVES.items() for word in words]
    for split, part in (("train", rows[:30]), ("test", rows[30:])):
        (folder / f"{split}.csv").write_text("text,label\n" + "".join(part), encoding="utf-8")
    (folder / "golden.yaml").write_text(TASK, encoding="utf-8")
    (folder / "protocol.yaml").write_text(PROTOCOL, encoding="utf-8")


def write_checkpoint(folder: Path) -> None:
    """Write a BERT of one layer x 16 with a word-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "a", *(w for some in ADJECTIVES.values() for w in some), *NOUNS]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=16, **sizes)
    BertForMaskedLM(config).save_pretrained(folder)


def carry_out(store: Path) -> Report:
    """Run both strategies on what lies in `input/`, on one thread of the CPU, by the recipes of the golden runs."""
    from suite import grid
    from suite.plan import Request, plan
    from suite.spec import Failure

    request = Request(
        models=(str(INPUT / "golden-bert"),),
        tasks=(str(INPUT / "golden.yaml"),),
        strategies=("linear_probe", "full"),
        protocol=str(INPUT / "protocol.yaml"),
    )
    specs = [spec.model_copy(update={"settings": RECIPES.get(spec.strategy, spec.settings)}) for spec in plan(request)]
    report = grid.Report()
    for outcome in grid.carry_out(specs, grid.Place(str(store), device="cpu", threads=1), lambda spec, event: None):
        (report.failures if isinstance(outcome, Failure) else report.done).append(outcome)  # type: ignore[arg-type]
    return report


def write_newer() -> None:
    """Write the records as a later version might: the next schema, with a field more on several levels."""
    from suite.spec import SCHEMA, canonical_json, digest

    shutil.copytree(STORE, NEWER)
    for path in NEWER.glob("records/??/*/record.json"):
        body = json.loads(path.read_text(encoding="utf-8"))
        body |= {"schema_version": SCHEMA + 1, "energy_joules": 12.5, "calibration": {"ece": 0.1}}
        body["cost"]["energy_joules"] = 12.5
        path.write_text(canonical_json(body), encoding="utf-8")
        digests = json.loads((path.parent / "digest.json").read_text(encoding="utf-8"))
        digests["record.json"] = digest(path.read_bytes())
        (path.parent / "digest.json").write_text(canonical_json(digests), encoding="utf-8")


def main() -> None:
    """Write the inputs, run, and keep what comes out."""
    for folder in (INPUT, STORE, NEWER):
        shutil.rmtree(folder, ignore_errors=True)
    INPUT.mkdir()
    write_inputs(INPUT)
    write_checkpoint(INPUT / "golden-bert")
    report = carry_out(STORE)
    assert not report.failures, report.failures
    write_newer()


if __name__ == "__main__":
    main()
