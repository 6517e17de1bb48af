"""The usual architectures, tiny and random, from both libraries, through whole evaluations by every strategy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import WORDS
from torch import nn

from suite import evaluation, models, training
from suite.environment import Machine
from suite.hub import resolve
from suite.spec import CheckpointRef, RunSpec, SuiteError
from suite.strategies import lora

V = len(WORDS)
WIDTH = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
BLANKS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}

TEXT: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertForMaskedLM", WIDTH),
    "modernbert": ("ModernBertForMaskedLM", WIDTH | BLANKS | {"cls_token_id": 2, "sep_token_id": 3}),
    "roberta": ("RobertaForMaskedLM", WIDTH | BLANKS | {"type_vocab_size": 1}),
    "distilbert": ("DistilBertForMaskedLM", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}),
    "deberta-v2": (
        "DebertaV2ForMaskedLM",
        WIDTH | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
    ),
    "electra": ("ElectraForPreTraining", WIDTH | {"embedding_size": 16}),
    "albert": ("AlbertForMaskedLM", WIDTH | {"embedding_size": 16}),
}

IMAGE: dict[str, dict[str, Any]] = {
    "vit": WIDTH | {"patch_size": 8},
    "convnext": {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1]},
    "efficientnet": {
        "width_coefficient": 0.2,
        "depth_coefficient": 0.2,
        "hidden_dim": 256,
        "depth_divisor": 4,
        "dropout_rate": 0.0,
        "drop_connect_rate": 0.0,
    },
    "mobilenet_v2": {"depth_multiplier": 0.1, "min_depth": 4, "classifier_dropout_prob": 0.0},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
    "swin": {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2, "patch_size": 2},
}

TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("test_vit", {"img_size": 32, "patch_size": 8}),
    "convnext": ("test_convnext", {}),
    "efficientnet": ("test_efficientnet", {}),
    "mobilenet-v3": ("mobilenetv3_small_050", {}),
    "resnet": ("test_resnet", {}),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2},
    ),
    "distilled-vit": (
        "deit_tiny_distilled_patch16_224",
        {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2},
    ),
}

NAMES = [
    *(f"transformers-{name}" for name in (*TEXT, *IMAGE)),
    *(f"timm-{name}" for name in TIMM),
    "transformers-timm-wrapper",
]

CLS = {f"transformers-{n}" for n in (*TEXT, "vit")} | {"timm-vit", "timm-distilled-vit"}
"""Those with a [CLS] token."""
NO_NATIVE = {f"transformers-{n}" for n in TEXT}
"""Those without a pooling of their own: a pooler that pre-training on masked words left out counts as none."""


def _text(name: str) -> nn.Module:
    import transformers
    from transformers import CONFIG_MAPPING

    head, settings = TEXT[name]
    torch.manual_seed(0)
    config = CONFIG_MAPPING[name](vocab_size=V, max_position_embeddings=64, **settings)
    net: nn.Module = getattr(transformers, head)(config)
    return net


def _image(name: str) -> nn.Module:
    from transformers import CONFIG_MAPPING, AutoModelForImageClassification

    torch.manual_seed(0)
    config = CONFIG_MAPPING[name](image_size=32, num_labels=7, **IMAGE[name])
    return _settled(AutoModelForImageClassification.from_config(config))


def _timm(name: str) -> nn.Module:
    import timm

    architecture, arguments = TIMM[name]
    torch.manual_seed(0)
    return _settled(timm.create_model(architecture, num_classes=7, **arguments))


def _timm_wrapper() -> nn.Module:
    from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

    torch.manual_seed(0)
    return TimmWrapperForImageClassification(TimmWrapperConfig(architecture="test_resnet", num_labels=7))


def _settled(net: nn.Module) -> nn.Module:
    """Give BatchNorm statistics that are not its default ones, and scales that let every branch through."""
    net.train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    with torch.no_grad():
        for _ in range(2):
            net(torch.rand(8, 3, 32, 32))
    return net.eval()


@pytest.fixture(scope="module")
def folder(save_transformers: Any, save_timm: Any) -> Callable[[str], Path]:
    """Return the folder of an architecture's checkpoint, made on first need."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        library, _, kind = name.partition("-")
        if name == "transformers-timm-wrapper":
            return save_transformers(_timm_wrapper(), name)  # type: ignore[no-any-return]
        if library == "timm":
            arguments = TIMM[kind][1] | {"num_classes": 7, "in_chans": 3}
            return save_timm(_timm(kind), name, model_args=arguments)  # type: ignore[no-any-return]
        net = _text(kind) if kind in TEXT else _image(kind)
        return save_transformers(net, name, token_types=kind in ("bert", "electra", "albert"))  # type: ignore[no-any-return]

    return lambda name: made[name] if name in made else made.setdefault(name, make(name))


@pytest.fixture
def checkpoint(request: pytest.FixtureRequest, folder: Callable[[str], Path]) -> CheckpointRef:
    return resolve(str(folder(request.param)))


@pytest.fixture
def run(
    planned: Any, text_task: Path, image_task: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, models.Model | None]]:
    """Evaluate a checkpoint; return the record and, where something was trained by gradient, the trained model."""

    def evaluate(checkpoint: CheckpointRef, strategy: str, **changes: Any) -> tuple[Any, models.Model | None]:
        trained: list[models.Model] = []
        fit = training.fit

        def watched(*args: Any) -> Any:
            done = fit(*args)
            trained.append(done.model)
            return done

        monkeypatch.setattr(training, "fit", watched)
        task = image_task if checkpoint.modality == "image" else text_task
        (spec,) = planned(Path(str(checkpoint.folder)), task, strategy, **changes)
        (result,) = evaluation.evaluate(spec, machine, lambda event: None)
        return result.record, trained[0] if trained else None

    return evaluate


def _built(checkpoint: CheckpointRef, spec: RunSpec, classes: int) -> dict[str, torch.Tensor]:
    return models.load(checkpoint, classes, spec.seeds()["init"]).net.state_dict()


def _plain(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a peft model's weights under the names that they had before."""
    return {
        name.removeprefix("base_model.model.").replace(".base_layer.", ".").replace(".modules_to_save.default.", "."): v
        for name, v in state.items()
        if "lora_" not in name and ".original_module." not in name
    }


def _of_head(model: models.Model, name: str) -> bool:
    return name in model.fresh or name.startswith(tuple(f"{head}." for head in model.head))


each = pytest.mark.parametrize("checkpoint", NAMES, indirect=True)


def _check_scores(record: Any) -> None:
    assert all(np.isfinite(value) for value in record.metrics.values())
    assert record.counts["failed"] == 0 and record.counts["scored"] == record.counts["test"] > 0


@each
def test_a_linear_probe_with_its_default_recipe_gives_scores(checkpoint: CheckpointRef, run: Any) -> None:
    record, _ = run(checkpoint, "linear_probe")
    _check_scores(record)


@each
def test_lora_trains_a_small_share_and_leaves_the_body_as_it_was(checkpoint: CheckpointRef, run: Any) -> None:
    record, model = run(checkpoint, "lora", settings={"rank": 1})
    _check_scores(record)
    before, after = _built(checkpoint, record.spec, len(record.data["classes"])), _plain(model.net.state_dict())
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and all(_of_head(model, name) for name in moved)
    head = sum(value.numel() for name, value in before.items() if _of_head(model, name))
    assert record.checkpoint["trainable_params"] - head < 0.3 * (record.checkpoint["params"] - head)
    adapters = {name: value for name, value in model.net.state_dict().items() if "lora_B" in name}
    assert adapters and all(value.any() for value in adapters.values()), "an adapter learned nothing"


@each
def test_full_trains_every_weight_and_moves_the_body_and_the_head(checkpoint: CheckpointRef, run: Any) -> None:
    record, model = run(checkpoint, "full")
    _check_scores(record)
    before, after = _built(checkpoint, record.spec, len(record.data["classes"])), model.net.state_dict()
    assert record.checkpoint["trainable_params"] == record.checkpoint["params"]
    moved = {name for name, _ in model.net.named_parameters() if not torch.equal(before[name], after[name])}
    assert any(_of_head(model, name) for name in moved)
    assert sum(not _of_head(model, name) for name in moved) > 4


@pytest.mark.parametrize(
    "name", ["transformers-resnet", "transformers-mobilenet_v2", "timm-resnet", "timm-efficientnet"]
)
def test_batch_norm_keeps_its_statistics_under_lora_and_moves_them_under_full(
    name: str, folder: Callable[[str], Path], run: Any
) -> None:
    checkpoint = resolve(str(folder(name)))
    for strategy, moves in (("lora", False), ("full", True)):
        record, model = run(checkpoint, strategy)
        before, after = _built(checkpoint, record.spec, 3), _plain(model.net.state_dict())
        means = [name for name in before if name.endswith("running_mean")]
        assert means and before[means[0]].any(), "the checkpoint has statistics of its own"
        assert [not torch.equal(before[name], after[name]) for name in means] == [moves] * len(means)


@each
def test_each_pooling_gives_features_of_one_width_or_says_why_not(checkpoint: CheckpointRef, folder: Any) -> None:
    model = models.load(checkpoint, 3, 0).eval()
    batch = (
        {"pixel_values": torch.rand(2, 3, 32, 32)}
        if checkpoint.modality == "image"
        else {
            "input_ids": torch.tensor([[2, 9, 3, 0], [2, 8, 7, 3]]),
            "attention_mask": torch.tensor([[1, 1, 1, 0], [1] * 4]),
        }
    )
    refused = {"cls"} - ({"cls"} if checkpoint.name in CLS else set())
    refused |= {"native"} if checkpoint.name in NO_NATIVE else set()
    with torch.no_grad():
        for pooling in models.POOLINGS:
            if pooling in refused:
                with pytest.raises(SuiteError, match=r"use pooling:"):
                    model.features(pooling, **batch)
                continue
            features = model.features(pooling, **batch)
            assert features.dim() == 2 and len(features) == 2 and torch.isfinite(features).all()
            assert not torch.equal(features[0], features[1])
            assert features.shape[1] == _width(model, features.shape[1])


def _width(model: models.Model, found: int) -> int:
    """Return the width of the body's last layer, or what its classifier takes (a projection before it widens)."""
    entries = [
        m.in_features for n, m in model.net.named_modules() if isinstance(m, nn.Linear) and n.startswith(model.head)
    ]
    config = getattr(model.net, "config", None)
    widths = {getattr(model.net, "num_features", None), *entries, *(getattr(config, "hidden_sizes", None) or [])[-1:]}
    return found if found in widths else -1


@each
def test_a_random_twin_evaluates_and_differs_by_seed(checkpoint: CheckpointRef, run: Any) -> None:
    record, _ = run(checkpoint, "linear_probe", init="random")
    _check_scores(record)
    twin = checkpoint.model_copy(update={"init": "random"})
    first, again, other = (models.load(twin, 3, seed) for seed in (1, 1, 2))
    trained = models.load(checkpoint, 3, 1)
    assert trained.head == first.head
    body = [n for n, p in first.net.named_parameters() if p.dim() > 1 and not _of_head(trained, n)]
    assert body
    mine, same, others, real = (dict(m.net.named_parameters()) for m in (first, again, other, trained))
    assert all(torch.equal(mine[name], same[name]) for name in mine)
    assert any(not torch.equal(mine[name], others[name]) for name in body)
    assert all(not torch.equal(mine[name], real[name]) for name in body if mine[name].std() > 0)


@each
def test_a_head_that_came_trained_is_replaced(checkpoint: CheckpointRef, tmp_path: Path) -> None:
    model = models.load(checkpoint, 3, 0)
    saved = tmp_path / "tuned"
    _save_again(checkpoint, model, saved)
    tuned = resolve(str(saved))
    first, second = models.load(tuned, 3, 1), models.load(tuned, 3, 2)
    matrices = [
        n for n, p in first.net.named_parameters() if n.startswith(tuple(f"{h}." for h in first.head)) and p.dim() > 1
    ]
    assert matrices
    old, one, two = (dict(m.net.named_parameters()) for m in (model, first, second))
    for name in matrices:
        assert not torch.equal(one[name], old[name]), f"{name} is the old head"
        assert not torch.equal(one[name], two[name]), f"{name} is the same under every seed"
    for name in set(one) - {n for n in one if _of_head(first, n)}:
        assert torch.equal(one[name], old[name]), f"{name} of the body was not kept"


def _save_again(checkpoint: CheckpointRef, model: models.Model, to: Path) -> None:
    """Save a model with its 3-class head as the checkpoint's own library does."""
    config = json.loads((Path(str(checkpoint.folder)) / "config.json").read_text())
    if isinstance(model, models.TransformersModel):
        model.net.save_pretrained(to)
        return
    from timm.models import save_for_hf

    save_for_hf(
        model.net, str(to), safe_serialization=True, model_args=(config["model_args"] or {}) | {"num_classes": 3}
    )


@each
def test_weights_stored_in_bf16_are_loaded_in_fp32(checkpoint: CheckpointRef, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    source = Path(str(checkpoint.folder))
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(source / "model.safetensors")
    half = {name: value.bfloat16() if value.is_floating_point() else value for name, value in weights.items()}
    save_file(half, tmp_path / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | ({"dtype": "bfloat16"} if "dtype" in config else {})))
    model, whole = models.load(resolve(str(tmp_path)), 3, 0), models.load(checkpoint, 3, 0)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    exact = dict(whole.net.named_parameters())
    for name, value in model.net.named_parameters():
        if not _of_head(whole, name):
            assert torch.equal(value, exact[name].bfloat16().float()), name


@pytest.mark.parametrize(
    "model_args", [None, {"num_classes": 7}, {"num_classes": 7, "in_chans": 3, "global_pool": "avg"}, "absent"]
)
def test_every_form_of_timms_model_args_is_read(model_args: Any, folder: Callable[[str], Path], tmp_path: Path) -> None:
    source = folder("timm-resnet")
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text()) | {"model_args": model_args}
    if model_args == "absent":
        del config["model_args"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = models.load(resolve(str(tmp_path)), 3, 0).eval()
    assert model.logits(pixel_values=torch.rand(2, 3, 32, 32)).shape == (2, 3)
    body = models.load(resolve(str(source)), 3, 0).net.state_dict()
    assert all(torch.equal(v, body[n]) for n, v in model.net.state_dict().items() if not n.startswith("fc."))


@each
def test_lora_finds_every_dense_layer_of_the_body_and_spares_the_head(checkpoint: CheckpointRef) -> None:
    model = models.load(checkpoint, 3, 0)
    names = dict(model.net.named_modules())
    for target in lora.targets(model, list(model.head)):
        assert not _of_head(model, f"{target}.weight") or target in {n.rpartition(".")[0] for n in model.fresh}
        assert getattr(names[target], "groups", 1) == 1
