"""Tiny checkpoints, tasks and a protocol on disk, as users would have them; nothing goes online."""

# ruff: noqa: E402  # the environment is set before any library reads it

from __future__ import annotations

import os
import tempfile

_HOME = tempfile.mkdtemp(prefix="transfer-suite-tests-")
os.environ.update(
    HF_HUB_OFFLINE="1",  # read at import, so before any
    HF_HOME=f"{_HOME}/huggingface",
    TRANSFER_SUITE_CACHE=f"{_HOME}/features",
    TOKENIZERS_PARALLELISM="false",
    TRANSFER_SUITE_PRECISION="fp32",  # what a protocol's `auto` means is not measured anew in every test
    OMP_NUM_THREADS="1",  # weights depend on the number of threads: runs and reference code share one
)
os.environ.pop("HF_TOKEN", None)

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from suite.environment import Machine
from suite.spec import RunSpec

settings.register_profile("suite", max_examples=50, deadline=None, derandomize=True)
settings.load_profile("suite")

GOOD = ["bright", "calm", "clear", "fresh", "gentle", "happy", "lovely", "sunny", "sweet", "warm"]
BAD = ["awful", "bitter", "cold", "cruel", "dull", "grim", "harsh", "nasty", "sad", "sour"]
NEUTRAL = ["a", "day", "film", "garden", "in", "it", "morning", "music", "of", "river", "street", "the"]
NEUTRAL += ["town", "was", "weather", "with"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, *GOOD, *BAD, *NEUTRAL]
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def pytest_sessionfinish() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def machine() -> Machine:
    return Machine("cpu", 1)


# -- checkpoints -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tokenizer_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a word-level tokenizer of WORDS into a folder."""

    def write(folder: Path, model_input_names: tuple[str, ...] = ("input_ids", "attention_mask")) -> Path:
        from tokenizers import Tokenizer, models, pre_tokenizers, processors
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
        words.pre_tokenizer = pre_tokenizers.Whitespace()
        words.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", WORDS.index("[CLS]")), ("[SEP]", WORDS.index("[SEP]"))],
        )
        named = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
        PreTrainedTokenizerFast(
            tokenizer_object=words, model_max_length=64, model_input_names=list(model_input_names), **named
        ).save_pretrained(folder)
        read = AutoTokenizer.from_pretrained(folder)
        assert len(read) == len(WORDS)
        assert read("sunny day")["input_ids"] == [WORDS.index(w) for w in ("[CLS]", "sunny", "day", "[SEP]")]
        return folder

    return write


@pytest.fixture(scope="session")
def save_transformers(tmp_path_factory: pytest.TempPathFactory, tokenizer_files: Callable[..., Path]) -> Any:
    """Return a function that saves a transformers model as a Hub repository would hold it: text or image."""

    def save(net: Any, name: str, token_types: bool = False, image_size: int = 32) -> Path:
        from transformers import ViTImageProcessor

        folder: Path = tmp_path_factory.mktemp("checkpoints") / name
        net.save_pretrained(folder)
        if hasattr(net.config, "vocab_size"):
            extra = ("token_type_ids",) if token_types else ()
            tokenizer_files(folder, ("input_ids", *extra, "attention_mask"))
        else:
            size = {"height": image_size, "width": image_size}
            ViTImageProcessor(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def save_timm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that saves a timm model as timm's own push to the Hub does."""

    def save(net: Any, name: str, image_size: int = 32, model_args: dict[str, Any] | None = None) -> Path:
        from timm.models import save_for_hf

        folder: Path = tmp_path_factory.mktemp("checkpoints") / name
        net.pretrained_cfg = {**net.pretrained_cfg, "input_size": (3, image_size, image_size), "crop_pct": 1.0}
        save_for_hf(net, str(folder), safe_serialization=True, model_args=model_args)
        return folder

    return save


@pytest.fixture(scope="session")
def save_bert(save_transformers: Any) -> Callable[..., Path]:
    """Return a function that makes a BERT of 2 narrow layers for masked words, so without a classification head."""

    def save(name: str, width: int = 16, seed: int = 3, **more: Any) -> Path:
        import torch
        from transformers import BertConfig, BertForMaskedLM

        torch.manual_seed(seed)
        shape = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2, "num_attention_heads": 2}
        config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **shape | more)
        folder: Path = save_transformers(BertForMaskedLM(config), name, token_types=True)
        return folder

    return save


@pytest.fixture(scope="session")
def tiny_bert(save_bert: Callable[..., Path]) -> Path:
    """A BERT of 2 layers x 32."""
    return save_bert("tiny-bert", width=32, seed=0)


@pytest.fixture(scope="session")
def tiny_resnet(save_timm: Any) -> Path:
    """A timm ResNet of four narrow stages for 32 x 32 pixels, with BatchNorm statistics that are not the default."""
    import timm
    import torch

    torch.manual_seed(0)
    arguments = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16], "stem_width": 8}
    net = timm.create_model("resnet18", num_classes=5, zero_init_last=False, **arguments)
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(8, 3, 32, 32))
    return save_timm(net.eval(), "tiny-resnet", model_args=arguments)


# -- tasks -------------------------------------------------------------------------------------------------------------


def sentences(n: int, seed: int) -> list[dict[str, str]]:
    """Return n different sentences of 3 to 12 words whose one telling word gives the label."""
    generator = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < n:
        label, telling = ("good", GOOD) if len(rows) % 2 else ("bad", BAD)
        words = generator.choices(NEUTRAL, k=generator.randint(2, 11))
        words.insert(generator.randrange(len(words) + 1), generator.choice(telling))
        rows.setdefault(" ".join(words), label)
    return [{"sentence": text, "label": label} for text, label in rows.items()]


def write_task(folder: Path, name: str, kind: str, columns: str, builder: str = "csv", more: str = "") -> Path:
    """Write a task file beside its train and test files."""
    path = folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\n"
        "version: 1\n"
        f"kind: {kind}\n"
        f"description: A tiny task called {name}.\n"
        f"dataset:\n  path: {builder}\n"
        f"  data_files: {{train: train.{builder}, test: test.{builder}}}\n"
        "splits: {train: train, validation: {from: train, fraction: 0.25, seed: 0}, test: test}\n"
        f"columns: {columns}\n{more}",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def text_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes; one telling word a sentence decides."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("mood")
    for split, n, seed in (("train", 64, 1), ("test", 40, 2)):
        pd.DataFrame(sentences(n, seed)).to_csv(folder / f"{split}.csv", index=False)
    return write_task(folder, "mood", "text_classification", "{text: sentence, label: label}")


@pytest.fixture(scope="session")
def pair_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do two sentences have the same mood?"""
    import pandas as pd

    folder = tmp_path_factory.mktemp("same-mood")
    for split, n, seed in (("train", 64, 3), ("test", 40, 4)):
        left, right = sentences(n, seed), sentences(n, seed + 10)
        random.Random(seed).shuffle(right)
        rows = [
            {
                "first": a["sentence"],
                "second": b["sentence"],
                "relation": "same" if a["label"] == b["label"] else "other",
            }
            for a, b in zip(left, right, strict=True)
        ]
        pd.DataFrame(rows).to_parquet(folder / f"{split}.parquet", index=False)
    columns = "{text: first, text_pair: second, label: relation}"
    return write_task(folder, "same-mood", "text_classification", columns, "parquet", "labels: [other, same]\n")


@pytest.fixture(scope="session")
def image_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of noisy 32 x 32 images, each of a colour."""
    import datasets
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("colour")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(COLOURS))})
    for split, n, seed in (("train", 48, 5), ("test", 30, 6)):
        generator = np.random.default_rng(seed)
        labels = [i % len(COLOURS) for i in range(n)]
        pixels = [np.array(list(COLOURS.values())[i]) + generator.integers(-90, 90, (32, 32, 3)) for i in labels]
        images = [Image.fromarray(p.clip(0, 255).astype(np.uint8)) for p in pixels]
        rows = datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)
        rows.to_parquet(folder / f"{split}.parquet")
    return write_task(folder, "colour", "image_classification", "{image: image, label: label}", "parquet")


@pytest.fixture(scope="session")
def tiny_protocol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four steps of eight rows."""
    path = tmp_path_factory.mktemp("protocols") / "tiny.yaml"
    path.write_text(
        "name: tiny\n"
        "version: 1\n"
        "seeds: 2\n"
        "batch: 8\n"
        "budget: {epochs: 1, min_steps: 4, max_steps: 4}\n"
        "selection: {looks: 2}\n"
        "max_length: 32\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def planned(tiny_protocol: Path) -> Callable[..., list[RunSpec]]:
    """Return a function that plans a checkpoint's runs under the tiny protocol, its fields changed as asked."""

    def make(checkpoint: Path, task: Path, strategy: str, seeds: int = 1, **changes: Any) -> list[RunSpec]:
        from suite.plan import Request, plan

        init = changes.pop("init", "pretrained")
        settings = changes.pop("settings", {})
        request = Request((str(checkpoint),), (str(task),), (strategy,), seeds, str(tiny_protocol), init=init)
        specs = []
        for spec in plan(request):
            protocol = type(spec.protocol).model_validate(spec.protocol.model_dump() | changes)
            specs.append(spec.model_copy(update={"protocol": protocol, "settings": spec.settings | settings}))
        return specs

    return make


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give one test a feature cache of its own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TRANSFER_SUITE_CACHE", str(folder))
    return folder
