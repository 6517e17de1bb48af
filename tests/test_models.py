from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import WORDS
from PIL import Image

from suite import models, outputs, processors
from suite.hub import resolve
from suite.spec import CheckpointRef, SuiteError


@pytest.fixture
def copied(tmp_path: Path) -> Callable[..., CheckpointRef]:
    """Return a function that copies a checkpoint with its config changed (None drops a field) and files left out."""

    def copy(source: Path, without: tuple[str, ...] = (), **config: Any) -> CheckpointRef:
        folder = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(*without))
        values = json.loads((folder / "config.json").read_text()) | config
        (folder / "config.json").write_text(json.dumps({k: v for k, v in values.items() if v is not None}))
        return resolve(str(folder))

    return copy


def _text() -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.tensor([[2, 9, 3, 0], [2, 8, 7, 3]]),
        "attention_mask": torch.tensor([[1, 1, 1, 0], [1] * 4]),
    }


# -- processors --------------------------------------------------------------------------------------------------------


def test_a_checkpoint_that_reads_the_other_modality_is_refused(tiny_bert: Path, tiny_resnet: Path) -> None:
    with pytest.raises(SuiteError, match="tiny-bert reads texts; the task gives images"):
        processors.load(resolve(str(tiny_bert)), "image", 32)
    with pytest.raises(SuiteError, match="tiny-resnet reads images; the task gives texts"):
        processors.load(resolve(str(tiny_resnet)), "text", 32)


@pytest.mark.parametrize(
    ("asked", "changes", "length"),
    [
        (32, {}, 32),
        (99, {}, 64),  # as the tokenizer says
        (99, {"max_position_embeddings": 20}, 20),
        (99, {"max_position_embeddings": 20, "model_type": "roberta"}, 18),  # two positions serve padding
        (32, {"max_position_embeddings": -1}, 32),  # relative positions, told as some configs do
    ],
)
def test_texts_are_no_longer_than_protocol_tokenizer_and_positions_allow(
    asked: int, changes: Any, length: int, tiny_bert: Path, copied: Any
) -> None:
    assert processors.load(copied(tiny_bert, **changes), "text", asked)[1] == length


def test_a_missing_tokenizer_is_a_suite_error(tiny_bert: Path, copied: Any) -> None:
    with pytest.raises(SuiteError, match=r"copy-0 has no tokenizer; expected .*tokenizer\.json"):
        processors.load(copied(tiny_bert, without=("token*",)), "text", 32)


def test_a_damaged_tokenizer_is_a_suite_error(tiny_bert: Path, copied: Any) -> None:
    folder = Path(copied(tiny_bert).folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(SuiteError, match=r"copy-0: its tokenizer cannot be loaded: [^\n]+$"):
        processors.load(resolve(str(folder)), "text", 32)


def test_a_tokenizer_that_cannot_pad_is_a_suite_error(tiny_bert: Path, copied: Any) -> None:
    ref = copied(tiny_bert)
    path = Path(ref.folder) / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in config.items() if k != "pad_token"}))
    with pytest.raises(SuiteError, match="no padding token"):
        processors.load(resolve(ref.folder), "text", 32)


def test_a_timm_transform_follows_the_checkpoints_own_config(tiny_resnet: Path, copied: Any) -> None:
    config = json.loads((tiny_resnet / "config.json").read_text())["pretrained_cfg"]
    image = Image.new("RGB", (50, 40), (255, 0, 0))
    stored = config | {"input_size": [3, 24, 24], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 0.5]}
    transform, _ = processors.load(copied(tiny_resnet, pretrained_cfg=stored), "image", 32)
    pixels = transform(image)
    assert pixels.shape == (3, 24, 24) and pixels.dtype == np.float32
    assert np.allclose(pixels.mean((1, 2)), [2, -1, -1])


def test_without_a_stored_one_a_timm_transform_is_the_architectures(tiny_resnet: Path, copied: Any) -> None:
    transform, _ = processors.load(copied(tiny_resnet, pretrained_cfg=None), "image", 32)
    assert transform(Image.new("RGB", (50, 40))).shape == (3, 224, 224)


def test_an_architecture_that_timm_lacks_is_a_suite_error(tiny_resnet: Path, copied: Any) -> None:
    ref = copied(tiny_resnet, architecture="resnet9000")
    with pytest.raises(SuiteError, match="resnet9000"):
        processors.load(ref, "image", 32)
    with pytest.raises(SuiteError, match="resnet9000"):
        models.load(ref, 2, 0)


@pytest.fixture(scope="module")
def tiny_vit(save_transformers: Any) -> Path:
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return save_transformers(ViTModel(ViTConfig(image_size=32, patch_size=8, **sizes)), "tiny-vit")  # type: ignore[no-any-return]


def test_a_transformers_transform_follows_the_checkpoints_own_config(tiny_vit: Path) -> None:
    transform, _ = processors.load(resolve(str(tiny_vit)), "image", 32)
    pixels = transform(Image.new("RGB", (50, 40), (255, 0, 0)))
    assert pixels.shape == (3, 32, 32) and pixels.dtype == np.float32
    assert np.allclose(pixels.mean((1, 2)), [1, -1, -1])


def test_a_missing_image_processor_is_a_suite_error(tiny_vit: Path, copied: Any) -> None:
    with pytest.raises(SuiteError, match=r"its image processor cannot be loaded"):
        processors.load(copied(tiny_vit, without=("preprocessor_config.json", "processor_config.json")), "image", 32)


# -- loading -----------------------------------------------------------------------------------------------------------


def test_a_config_of_neither_library_is_a_suite_error(tiny_bert: Path, copied: Any) -> None:
    with pytest.raises(SuiteError, match="neither 'model_type'"):
        models.load(copied(tiny_bert, model_type=None), 2, 0)


@pytest.mark.parametrize("kind", ["no-such-model", "time_series_transformer", "clip"])
def test_an_architecture_without_a_classifier_is_a_suite_error(kind: str, tiny_bert: Path, copied: Any) -> None:
    with pytest.raises(SuiteError, match=kind):
        models.load(copied(tiny_bert, model_type=kind), 2, 0)


def test_weights_of_another_architecture_are_a_suite_error(tiny_bert: Path, copied: Any) -> None:
    with pytest.raises(SuiteError, match=r"none of its weights fit"):
        models.load(copied(tiny_bert, model_type="electra"), 2, 0)


def test_timm_weights_of_another_shape_are_a_suite_error(tiny_resnet: Path, copied: Any) -> None:
    other = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 24], "stem_width": 8}
    with pytest.raises(SuiteError, match="its weights lack 'layer4"):
        models.load(copied(tiny_resnet, model_args=other), 2, 0)


def test_a_damaged_weight_file_is_a_suite_error(tiny_bert: Path, copied: Any) -> None:
    folder = Path(copied(tiny_bert).folder)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(SuiteError, match=r"cannot be loaded: [^\n]+$"):
        models.load(resolve(str(folder)), 2, 0)


def test_weights_in_several_files_are_loaded(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    whole = AutoModelForMaskedLM.from_pretrained(tiny_bert)
    whole.save_pretrained(tmp_path, max_shard_size="20kB")
    for file in tiny_bert.glob("token*"):
        shutil.copy(file, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    loaded, straight = (models.load(resolve(str(f)), 2, 0).net.state_dict() for f in (tmp_path, tiny_bert))
    assert all(torch.equal(loaded[name], value) for name, value in straight.items())


def test_fresh_names_what_the_checkpoint_lacked(tiny_bert: Path, tiny_resnet: Path) -> None:
    lacking = {f"{part}.{kind}" for part in ("classifier", "bert.pooler.dense") for kind in ("weight", "bias")}
    assert models.load(resolve(str(tiny_bert)), 2, 0).fresh == lacking
    assert models.load(resolve(str(tiny_resnet)), 2, 0).fresh == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("init", ["pretrained", "random"])
@pytest.mark.parametrize("which", ["bert", "resnet"])
def test_loading_depends_on_the_seed_alone(which: str, init: Any, tiny_bert: Path, tiny_resnet: Path) -> None:
    folder = tiny_bert if which == "bert" else tiny_resnet
    ref = resolve(str(folder)).model_copy(update={"init": init})
    torch.manual_seed(5)
    first = models.load(ref, 3, 1).net.state_dict()
    torch.manual_seed(6)
    torch.rand(7)
    second = models.load(ref, 3, 1).net.state_dict()
    assert all(torch.equal(second[name], value) for name, value in first.items())


def test_the_body_is_what_the_checkpoint_holds(tiny_bert: Path) -> None:
    from safetensors.torch import load_file

    stored = load_file(tiny_bert / "model.safetensors")
    body = {k: v for k, v in models.load(resolve(str(tiny_bert)), 2, 0).net.state_dict().items() if k in stored}
    assert len(body) > 30 and all(torch.equal(stored[name], value) for name, value in body.items())


# -- the model ---------------------------------------------------------------------------------------------------------


def test_forward_gives_logits_and_with_labels_their_mean_cross_entropy(tiny_bert: Path) -> None:
    model = models.load(resolve(str(tiny_bert)), 3, 0).eval()
    with torch.no_grad():
        logits = model(**_text())["logits"]
        out = model(labels=torch.tensor([2, 0]), **_text())
    assert logits.shape == (2, 3) and torch.equal(out["logits"], logits)
    log_p = logits.double().log_softmax(1)
    assert out["loss"].item() == pytest.approx(-(log_p[0, 2] + log_p[1, 0]).item() / 2, abs=1e-6)


def test_padding_changes_no_logits_and_no_features(tiny_bert: Path) -> None:
    model = models.load(resolve(str(tiny_bert)), 3, 0).eval()
    alone = {name: value[:1, :3] for name, value in _text().items()}
    with torch.no_grad():
        assert torch.allclose(model.logits(**alone), model.logits(**_text())[:1], atol=1e-6)
        for pooling in ("mean", "cls"):
            padded = model.features(pooling, **_text())[:1]
            assert torch.allclose(model.features(pooling, **alone), padded, atol=1e-6)


def test_native_features_of_an_image_are_what_its_classifier_sees(tiny_vit: Path, tiny_resnet: Path) -> None:
    pixels = torch.rand(2, 3, 32, 32)
    for folder, name in ((tiny_vit, "classifier"), (tiny_resnet, "fc")):
        model = models.load(resolve(str(folder)), 3, 0).eval()
        with torch.no_grad():
            features = model.features("native", pixel_values=pixels)
            logits = getattr(model.net, name)(features)
            assert torch.allclose(logits, model.logits(pixel_values=pixels), atol=1e-6)


def test_map_batches_keeps_the_order_and_turns_dropout_off(tiny_bert: Path) -> None:
    model = models.load(resolve(str(tiny_bert)), 2, 0).train()
    items = [{"x": i} for i in range(150)]
    sizes: list[int] = []

    def double(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        assert not model.training
        sizes.append(len(batch["x"]))
        return torch.stack([batch["x"] * 2, batch["x"]], dim=1)

    lengths = [(i * 37) % 11 for i in range(150)]
    found = outputs.map_batches(
        model, double, items, lengths, lambda rows: {"x": torch.tensor([row["x"] for row in rows])}
    )
    assert sizes == [64, 64, 22] and found.dtype == np.float32
    assert found.tolist() == [[2 * i, i] for i in range(150)]


def test_the_vocabulary_of_the_tiny_bert_is_whole(tiny_bert: Path) -> None:
    tokenizer, _ = processors.load(resolve(str(tiny_bert)), "text", 32)
    assert len(tokenizer) == len(WORDS)
