"""Kept weights: what each library opens by itself answers as the stored scores say, and nothing else is written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call, records
from every_kind import IMAGES, TEXTS, write_tasks

import suite
from suite import artifacts, evaluation, kinds, predictors, processors
from suite.environment import Machine
from suite.hub import resolve
from suite.plan import Request, plan
from suite.spec import Record, Result, SuiteError
from suite.store import Store

STRATEGIES = ("full", "lora", "linear_probe")
CASES = [
    (kind, strategy)
    for kind in (*TEXTS, *IMAGES)
    for strategy in STRATEGIES
    if (kind, strategy) != ("question_answering", "linear_probe")
]
GRADIENT = [case for case in CASES if case[1] != "linear_probe"]
each = pytest.mark.parametrize(("kind", "strategy"), CASES)


@dataclass(frozen=True)
class Kept:
    """A store of runs that kept their weights, one of every kind by every strategy, and what they were made from."""

    store: Store
    tasks: dict[str, Path]
    models: dict[str, Path]
    records: dict[tuple[str, str], Record]

    def folder(self, kind: str, strategy: str) -> Path:
        key = self.records[kind, strategy].key
        return Path(self.store.url) / "records" / key[:2] / f"{key}-1" / "weights"

    def result(self, kind: str, strategy: str) -> Result:
        return self.store.result(self.records[kind, strategy].key)

    def base(self, kind: str) -> Path:
        return self.models["image" if kind in IMAGES else "text"]

    def means(self) -> dict[str, Any]:
        return {"models": [str(m) for m in self.models.values()], "tasks": [str(t) for t in self.tasks.values()]}

    def rows(self, kind: str, strategy: str) -> Any:
        """Return the test rows as data gives them."""
        spec = self.records[kind, strategy].spec
        task = spec.tasks[0].model_copy(update={"file": str(self.tasks[kind])})
        return evaluation.load_rows(task, spec)[-1].test


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, tiny_resnet: Path, tiny_protocol: Path) -> Kept:
    folder = tmp_path_factory.mktemp("kept")
    tasks = write_tasks(folder)
    words = [str(path) for path in tasks.values()]
    place = {"protocol": str(tiny_protocol), "store": folder / "store", "device": "cpu", "threads": 1, "seeds": 1}
    report = suite.run((str(tiny_bert), str(tiny_resnet)), words, STRATEGIES, keep_weights=True, **place)
    assert not report.failures
    found = {(r.task_spec.kind, r.spec.strategy): r for r in report.records}
    assert found.keys() == set(CASES)
    return Kept(Store(str(folder / "store")), tasks, {"text": tiny_bert, "image": tiny_resnet}, found)


def agree(outputs: Any, rows: Any, result: Result) -> None:
    """Compare what a model gives for prepared rows with the stored predictions and scores."""
    kind = kinds.get(result.record.task_spec.kind)
    predictions, scores = kind.decode(outputs, rows)
    classes: Any = result.record.data["classes"]
    assert kind.shown(predictions, classes) == result.columns["prediction"]
    for found, stored in zip(scores, result.columns["scores"], strict=True):
        np.testing.assert_allclose(found, np.array(stored), atol=2e-5, rtol=1e-5)


def answers(net: Any, kind: Any, rows: Any, processor: Any, timm: bool) -> Any:
    """Return a plain net's outputs, one batch for all rows."""
    import torch

    batch = kind.collate(processor)(list(rows.items))
    batch.pop("labels")
    net.eval()
    with torch.no_grad():
        out = net(batch["pixel_values"]) if timm else net(**batch)
    if timm:
        return out.numpy()
    logits = torch.stack([out.start_logits, out.end_logits], -1) if "start_logits" in out else out.logits
    if not kind.per_token:
        return logits.numpy()
    return [row[mask.bool()].numpy() for row, mask in zip(logits, batch["attention_mask"], strict=True)]


# -- what lies in the folders ------------------------------------------------------------------------------------------


@each
def test_the_record_names_every_file_with_its_hash(kind: str, strategy: str, kept: Kept) -> None:
    record, folder = kept.store.get(kept.records[kind, strategy].key), kept.folder(kind, strategy)
    assert record.artifact == artifacts.hashes(folder)
    assert set(record.artifact) == set(artifacts.names(folder)) >= {"transfer_suite.json"}
    weights = {"full": "model", "lora": "adapter_model", "linear_probe": "head"}[strategy]
    assert [name for name in record.artifact if not name.endswith(".json")] == [f"{weights}.safetensors"]


@each
def test_no_text_names_this_machine(kind: str, strategy: str, kept: Kept) -> None:
    places = [str(kept.base(kind).parent), kept.store.url, str(Path.home()), str(Path.cwd()), "hf_"]
    for path in kept.folder(kind, strategy).glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert not any(place in text for place in places), path.name
        assert not any(value.startswith("/") for value in _strings(json.loads(text))), path.name


def _strings(value: Any) -> list[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value] if isinstance(value, str) else [text for one in inner for text in _strings(one)]


@each
def test_a_page_says_how_to_load_them(kind: str, strategy: str, kept: Kept) -> None:
    about, record = artifacts.read_about(kept.folder(kind, strategy)), kept.records[kind, strategy]
    by_library = {"full": "timm" if kind in IMAGES else "transformers", "lora": "peft", "linear_probe": "safetensors"}
    assert about.library == by_library[strategy]
    assert about.base == record.spec.checkpoint.model_copy(update={"folder": None, "modality": "text"})
    assert (about.kind, about.task, about.strategy, about.key) == (kind, record.task, strategy, record.key)
    assert list(about.classes) == record.data["classes"]


@pytest.mark.parametrize("kind", [*TEXTS, *IMAGES])
def test_classes_stand_in_the_config(kind: str, kept: Kept) -> None:
    config = json.loads((kept.folder(kind, "full") / "config.json").read_text(encoding="utf-8"))
    classes: Any = kept.records[kind, "full"].data["classes"]
    if kind in IMAGES:
        assert config["label_names"] == classes and config["num_classes"] == len(classes)
    elif kinds.get(kind).target in predictors.NAMED:
        assert list(config["id2label"].values()) == classes


# -- each library by itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TEXTS)
def test_transformers_opens_a_whole_model_and_gives_the_stored_scores(kind: str, kept: Kept) -> None:
    import transformers

    folder, owner = kept.folder(kind, "full"), kinds.get(kind)
    net = getattr(transformers, owner.auto).from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    result = kept.result(kind, "full")
    classes: Any = result.record.data["classes"]
    rows = owner.prepare(kept.rows(kind, "full"), classes, tokenizer, 32)
    agree(answers(net, owner, rows, tokenizer, timm=False), rows, result)


def test_a_text_classifier_needs_nothing_of_ours(kept: Kept) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder, result = kept.folder("text_classification", "full"), kept.result("text_classification", "full")
    net, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    texts = kept.rows("text_classification", "full").columns["text"]
    with torch.no_grad():
        scores = net(
            **tokenizer(texts, padding=True, truncation=True, max_length=32, return_tensors="pt")
        ).logits.softmax(-1)
    np.testing.assert_allclose(scores.numpy(), np.array(result.columns["scores"]), atol=1e-5)
    assert [net.config.id2label[place] for place in scores.argmax(-1).tolist()] == result.columns["prediction"]


def test_timm_opens_a_whole_model_and_gives_the_stored_scores(kept: Kept) -> None:
    import io

    import timm
    import torch
    from PIL import Image
    from timm.data.config import resolve_data_config
    from timm.data.transforms_factory import create_transform

    result = kept.result("image_classification", "full")
    net = timm.create_model(f"local-dir:{kept.folder('image_classification', 'full')}", pretrained=True).eval()
    look = create_transform(**resolve_data_config(pretrained_cfg=net.pretrained_cfg))
    files = kept.rows("image_classification", "full").columns["image"]
    pixels = torch.stack([look(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
    with torch.no_grad():
        scores = net(pixels).softmax(-1)
    np.testing.assert_allclose(scores.numpy(), np.array(result.columns["scores"]), atol=1e-5)
    names = net.pretrained_cfg["label_names"]
    assert [names[place] for place in scores.argmax(-1).tolist()] == result.columns["prediction"]


def test_transformers_opens_a_model_of_timm_too(kept: Kept) -> None:
    from transformers import AutoModelForImageClassification

    net = AutoModelForImageClassification.from_pretrained(kept.folder("image_classification", "full"))
    owner, result = kinds.get("image_classification"), kept.result("image_classification", "full")
    processor, _ = processors.load(resolve(str(kept.base("image_classification"))), "image", 32)
    classes: Any = result.record.data["classes"]
    rows = owner.prepare(kept.rows("image_classification", "full"), classes, processor, 32)
    agree(answers(net, owner, rows, processor, timm=False), rows, result)


@pytest.mark.parametrize("kind", TEXTS)
def test_peft_opens_an_adapter_on_the_base_checkpoint(kind: str, kept: Kept) -> None:
    import transformers
    from peft import PeftModel

    owner, result = kinds.get(kind), kept.result(kind, "lora")
    classes: Any = result.record.data["classes"]
    plain = getattr(transformers, owner.auto).from_pretrained(kept.base(kind), num_labels=owner.n_outputs(classes))
    net = PeftModel.from_pretrained(plain, kept.folder(kind, "lora"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(kept.base(kind))
    rows = owner.prepare(kept.rows(kind, "lora"), classes, tokenizer, 32)
    agree(answers(net, owner, rows, tokenizer, timm=False), rows, result)


@pytest.mark.parametrize("kind", IMAGES)
def test_peft_opens_an_adapter_on_a_model_of_timm(kind: str, kept: Kept) -> None:
    import timm
    from peft import PeftModel

    owner, result = kinds.get(kind), kept.result(kind, "lora")
    classes: Any = result.record.data["classes"]
    plain = timm.create_model(f"local-dir:{kept.base(kind)}", pretrained=True, num_classes=len(classes))
    net = PeftModel.from_pretrained(plain, kept.folder(kind, "lora"))
    processor, _ = processors.load(resolve(str(kept.base(kind))), "image", 32)
    rows = owner.prepare(kept.rows(kind, "lora"), classes, processor, 32)
    agree(answers(net, owner, rows, processor, timm=True), rows, result)


def test_the_adapters_base_has_the_name_that_anybody_knows(kept: Kept) -> None:
    config = json.loads((kept.folder("text_classification", "lora") / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "tiny-bert" and "classifier" in config["modules_to_save"]


def test_a_probe_is_a_line_of_numpy_on_the_features_of_the_checkpoint(kept: Kept) -> None:
    import torch
    from safetensors.numpy import load_file
    from scipy.special import log_softmax
    from transformers import AutoModel, AutoTokenizer

    folder, result = (
        kept.folder("text_classification", "linear_probe"),
        kept.result("text_classification", "linear_probe"),
    )
    head, about = load_file(folder / "head.safetensors"), json.loads((folder / "head.json").read_text("utf-8"))
    net, tokenizer = (auto.from_pretrained(kept.base("text_classification")) for auto in (AutoModel, AutoTokenizer))
    texts = kept.rows("text_classification", "linear_probe").columns["text"]
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=32, return_tensors="pt")
    with torch.no_grad():
        hidden = net.eval()(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    features = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    assert about["pooling"] == "mean" and about["seen"] == [0, 1]
    values = ((features - head["mean"]) / head["deviation"]) @ head["weight"].T + head["bias"]
    scores = np.exp(log_softmax(values, axis=1))
    np.testing.assert_allclose(scores, np.array(result.columns["scores"]), atol=1e-5)
    assert [about["classes"][place] for place in scores.argmax(1)] == result.columns["prediction"]


# -- predictors --------------------------------------------------------------------------------------------------------


@each
def test_rows_without_labels_are_predicted_as_the_record_has_them(kind: str, strategy: str, kept: Kept) -> None:
    predictor = predictors.load(kept.folder(kind, strategy), base=resolve(str(kept.base(kind))))
    split, owner = kept.rows(kind, strategy), kinds.get(kind)
    targets = ("label", "labels", "score", "tags", "answers")
    given = {name: cells for name, cells in split.columns.items() if name not in targets}
    found, result = predictor.predict(given), kept.result(kind, strategy)
    assert predictor.kind is owner
    assert found.predictions == result.columns["prediction"]
    for one, stored in zip(found.scores, result.columns["scores"], strict=True):
        np.testing.assert_allclose(one, np.array(stored), atol=2e-5, rtol=1e-5)


def test_a_whole_model_needs_no_base_checkpoint(kept: Kept, tmp_path: Path) -> None:
    shutil.copytree(kept.folder("text_classification", "full"), tmp_path / "mine")
    found = predictors.load(tmp_path / "mine").predict({"text": ["a sunny day"]})
    assert len(found.predictions) == 1 and found.scores[0].sum() == pytest.approx(1)


def test_a_missing_column_is_named(kept: Kept) -> None:
    predictor = predictors.load(kept.folder("text_similarity", "full"))
    with pytest.raises(SuiteError, match="text_similarity reads text, text_pair; 'text_pair' is missing"):
        predictor.predict({"text": ["a day"]})


def test_a_strangers_pickle_is_never_opened(kept: Kept, tmp_path: Path) -> None:
    shutil.copytree(kept.folder("image_classification", "full"), tmp_path / "theirs")
    (tmp_path / "theirs" / "model.safetensors").rename(tmp_path / "theirs" / "pytorch_model.bin")
    with pytest.raises(SuiteError, match="never pickles"):
        predictors.load(tmp_path / "theirs")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="holds no kept weights"):
        predictors.load(tmp_path)
    (tmp_path / artifacts.ABOUT).write_text("[]", encoding="utf-8")
    with pytest.raises(SuiteError, match="does not say how to load"):
        predictors.load(tmp_path)


# -- other ways to run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["full", "lora"])
@pytest.mark.parametrize(
    "names", [("text_classification", "token_classification", "question_answering"), tuple(IMAGES)]
)
def test_each_task_of_a_trunk_keeps_a_model_of_its_own(
    names: tuple[str, ...], strategy: str, kept: Kept, tiny_protocol: Path, tmp_path: Path
) -> None:
    import transformers
    from peft import PeftModel

    words = [str(kept.tasks[name]) for name in names]
    place = {"protocol": str(tiny_protocol), "store": tmp_path / "joint", "device": "cpu", "threads": 1, "seeds": 1}
    report = suite.run(str(kept.base(names[0])), words, strategy, joint=True, keep_weights=True, **place)
    assert not report.failures and len(report.records) == len(names)
    checks = list(suite.verify(tmp_path / "joint", level="infer", **kept.means()))
    assert all(check.ok for check in checks), checks
    if names[0] in IMAGES:
        return
    (record,) = [r for r in report.records if r.task == "token-classification"]
    folder = tmp_path / "joint" / "records" / record.key[:2] / f"{record.key}-1" / "weights"
    base, owner = kept.base(names[0]), kinds.get("token_classification")
    at, more = (folder, {}) if strategy == "full" else (base, {"num_labels": 3})
    net = transformers.AutoModelForTokenClassification.from_pretrained(at, **more)
    net = net if strategy == "full" else PeftModel.from_pretrained(net, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    classes: Any = record.data["classes"]
    rows = owner.prepare(kept.rows("token_classification", strategy), classes, tokenizer, 32)
    agree(answers(net, owner, rows, tokenizer, timm=False), rows, Store(str(tmp_path / "joint")).result(record.key))


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": {"precision": "bf16"}},
        {"checkpoint": {"init": "random"}},
        {"resample": "partition:2:sequential"},
        {"resample": "kfold:2", "fold": 1},
    ],
    ids=["bf16", "random", "sequential", "fold"],
)
@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_weights_of_other_runs_answer_again_too(
    strategy: str, change: dict[str, Any], kept: Kept, planned: Any, machine: Machine, tmp_path: Path
) -> None:
    (spec,) = planned(kept.base("text_classification"), kept.tasks["text_classification"], strategy)
    update = {
        name: getattr(spec, name).model_copy(update=value) if isinstance(value, dict) else value
        for name, value in change.items()
    }
    store = Store(str(tmp_path / "store"))
    (result,) = evaluation.evaluate(spec.model_copy(update=update), machine, lambda e: None, str(tmp_path))
    store.put(result)
    (check,) = suite.verify(store, level="infer", **kept.means())
    assert check.ok and "scores the same bits" in check.detail, check


def test_weights_change_nothing_else(kept: Kept, planned: Any, machine: Machine, tmp_path: Path) -> None:
    for strategy in STRATEGIES:
        (spec,) = planned(kept.base("text_classification"), kept.tasks["text_classification"], strategy)
        (bare,) = evaluation.evaluate(spec, machine, lambda event: None)
        (full,) = evaluation.evaluate(spec, machine, lambda event: None, str(tmp_path))
        assert bare.weights is None and full.weights is not None
        stores = [Store(str(tmp_path / name)) for name in ("bare", "full")]
        for store, result in zip(stores, (bare, full), strict=True):
            store.put(result)
        tables = [(entry / "predictions.parquet").read_bytes() for s in stores for entry in records(Path(s.url))]
        assert tables[: len(tables) // 2] == tables[len(tables) // 2 :]
        one, other = (store.get(spec.key()).model_dump() for store in stores)
        apart = {name for name in one if one[name] != other[name]}
        assert {"artifact"} <= apart <= {"artifact", "cost", "created", "training"}
        timed = {k: v for k, v in one["training"].items() if "seconds" not in k and k != "features_stored"}
        assert timed == {k: other["training"][k] for k in timed}


# -- the store ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def drafted(kept: Kept, tmp_path: Path) -> Result:
    """Return a result with its weights in a draft, as an evaluation hands it over."""
    folder = tmp_path / "draft"
    shutil.copytree(kept.folder("text_classification", "linear_probe"), folder)
    result = kept.result("text_classification", "linear_probe")
    return Result(result.record.model_copy(update={"artifact": {}}), result.columns, str(folder))


def test_weights_move_into_the_entry(drafted: Result, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    record = store.put(drafted)
    assert not Path(str(drafted.weights)).exists()
    assert store.weight_files(record.key) == sorted(record.artifact)
    assert store.kept(record.key) == 1
    with store.weights(record.key) as folder:
        assert artifacts.changed(record.artifact, folder) == []


def test_a_store_elsewhere_takes_and_gives_weights(drafted: Result) -> None:
    store = Store("memory://kept-weights")
    record = store.put(drafted)
    assert store.get(record.key).artifact == record.artifact != {}
    assert store.weight_files(record.key) == sorted(record.artifact)
    with store.weights(record.key) as folder:
        assert artifacts.changed(record.artifact, folder) == []


def test_of_two_writers_the_second_drops_its_weights_too(drafted: Result, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    shutil.copytree(str(drafted.weights), tmp_path / "second")
    first = store.put(drafted)
    second = Result(drafted.record, drafted.columns, str(tmp_path / "second"))
    assert store.put(second) == first and store.attempts(first.key) == [1]
    again = store.put(second, again=True)
    assert (again.attempt, again.artifact, again.parent) == (2, first.artifact, f"{first.key}-1")


def test_a_pickle_is_never_filed(drafted: Result, tmp_path: Path) -> None:
    (Path(str(drafted.weights)) / "training_args.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(SuiteError, match=r"training_args\.bin is no file of kept weights"):
        Store(str(tmp_path / "store")).put(drafted)
    assert not records(tmp_path / "store")


KILLED = """
import os, signal, sys
from pathlib import Path
from suite.spec import Record, Result
from suite.store import Store
store, weights, source, moment = sys.argv[1:]
kept = Store(source)
(name,) = kept.names()
result = kept.result(name[:64])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if moment == "move":
    from suite import artifacts
    move = artifacts.move
    artifacts.move = lambda a, b: (move(a, b), die())
elif moment == "hash":
    from suite import artifacts
    artifacts.hash_file = die
else:
    Path.rename = die
Store(store).put(Result(result.record, result.columns, weights))
"""


@pytest.mark.parametrize("moment", ["hash", "move", "rename"])
def test_a_writer_that_is_killed_leaves_no_entry(drafted: Result, moment: str, tmp_path: Path) -> None:
    source, store = Store(str(tmp_path / "source")), Store(str(tmp_path / "store"))
    source.put(Result(drafted.record, drafted.columns))
    words = [store.url, str(drafted.weights), source.url, moment]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert store.names() == [] and not store.has(drafted.record.key)
    bare = Result(drafted.record, drafted.columns)
    assert store.put(bare).attempt == 1 and len(store.contents().entries) == 1


def test_drafts_of_killed_runs_go_away_after_a_day(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    old, young = (tmp_path / "records" / f".draft-{name}" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    with store.drafts() as folder:
        assert folder.is_dir() and folder.parent == young.parent
    assert not old.exists() and young.exists() and not folder.exists()


def test_weights_that_cannot_be_written_cost_no_result(
    kept: Kept, planned: Any, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(predictors, "keep", full_disk)
    task, base = kept.tasks["text_classification"], kept.base("text_classification")
    protocol = tmp_path / "p.yaml"
    protocol.write_text(
        "name: p\nversion: 1\nseeds: 1\nbatch: 8\nbudget: {epochs: 1, min_steps: 1, max_steps: 1}\n"
        "selection: {looks: 1}\nmax_length: 32\n",
        encoding="utf-8",
    )
    place = {"protocol": str(protocol), "store": tmp_path / "store", "device": "cpu", "threads": 1}
    report = suite.run(str(base), str(task), "linear_probe", keep_weights=True, **place)
    assert len(report.records) == 1 and report.records[0].artifact == {}
    (failure,) = report.failures
    assert "The record is stored, but its weights could not be kept" in failure.reason
    assert "No space left" in failure.reason


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def words(kept: Kept, tiny_protocol: Path, tmp_path: Path) -> Callable[..., tuple[Any, ...]]:
    """Return a function that gives the words of a run on a store of its own."""

    def make(*strategies: str) -> tuple[Any, ...]:
        what = ("-m", kept.base("text_classification"), "-t", kept.tasks["text_classification"])
        how = ("--protocol", tiny_protocol, "--seeds", "1", "--device", "cpu", "--threads", "1")
        return ("run", *what, "-s", *strategies, *how, "--store", tmp_path / "store")

    return make


def test_a_stored_run_is_run_again_beside_the_first_for_its_weights(words: Any, tmp_path: Path) -> None:
    assert call(*words("linear_probe")).code == 0
    (first,) = records(tmp_path / "store")
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    assert "0 stored." in call(*words("linear_probe"), "--keep-weights", "--dry-run").out
    told = call(*words("linear_probe"), "--keep-weights")
    assert told.code == 0
    assert "1 stored runs have no weights; they are run again, beside the first." in told.err
    assert "1 kept their weights" in told.err
    _, second = records(tmp_path / "store")
    assert second.name == f"{first.name[:-1]}2" and (second / "weights" / "head.safetensors").is_file()
    assert before == {path.name: path.read_bytes() for path in first.iterdir()}
    record = json.loads((second / "record.json").read_text(encoding="utf-8"))
    assert record["parent"] == first.name and set(record["artifact"]) >= {"head.safetensors"}
    assert (second / "predictions.parquet").read_bytes() == before["predictions.parquet"]
    again = call(*words("linear_probe"), "--keep-weights")
    assert "0 run, 1 stored before, 0 failed" in again.err and len(records(tmp_path / "store")) == 2
    assert not list((tmp_path / "store" / "records").glob(".draft-*"))


def test_a_strategy_without_weights_says_so_and_the_others_keep_theirs(words: Any, tmp_path: Path) -> None:
    told = call(*words("few_shot", "linear_probe"), "--keep-weights")
    assert told.code == 0
    assert "keeps nothing of few_shot: such heads are fitted for the moment. The other runs keep" in told.err
    kept = [entry for entry in records(tmp_path / "store") if (entry / "weights").is_dir()]
    assert len(records(tmp_path / "store")) == 2 and len(kept) == 1
    again = call(*words("few_shot", "linear_probe"), "--keep-weights")
    assert "0 run, 2 stored before" in again.err


@pytest.mark.parametrize("more", [("few_shot",), ("linear_probe", "--resample", "loo")])
def test_asking_for_weights_where_nothing_has_any_is_refused(words: Any, more: tuple[str, ...], tmp_path: Path) -> None:
    told = call(*words(*more), "--keep-weights")
    assert told.code == 2 and "Leave the option out." in told.mistakes[0]
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_workers_keep_weights_too(words: Any, tmp_path: Path) -> None:
    told = call(*words("full", "linear_probe"), "--keep-weights", "--workers", "2")
    assert told.code == 0 and "2 kept their weights" in told.err
    assert all((entry / "weights" / "transfer_suite.json").is_file() for entry in records(tmp_path / "store"))


def test_weights_are_no_part_of_the_key(kept: Kept, tiny_protocol: Path) -> None:
    request = Request((str(kept.base("text_classification")),), (str(kept.tasks["text_classification"]),), ("full",))
    (spec, *_) = plan(Request(**vars(request) | {"protocol": str(tiny_protocol), "seeds": 1}))
    assert spec.key() == kept.records["text_classification", "full"].key
