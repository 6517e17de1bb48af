"""Prepared data: the same bits with and without what is kept, and nothing that is broken is believed."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from suite import evaluation, files, hub, prepared, processors
from suite.data import Split
from suite.environment import Machine
from suite.evaluation import _ready
from suite.kinds import _images, _texts
from suite.prepared import Address, address, find, keep
from suite.spec import SuiteError


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("prepared/*/??/*.safetensors"))


def some(n: int = 3) -> dict[str, np.ndarray]:
    return {"pixels": np.arange(n * 12, dtype=np.uint8).reshape(n, 4, 3), "lengths": np.arange(n, dtype=np.int32)}


AT = Address("tokens", "ab" * 32)


# -- files -------------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_found_again_and_cannot_be_written_into(own_cache: Path) -> None:
    assert find(AT) is None
    keep(AT, some() | {"nothing": np.zeros((0,), np.int32)})
    found = find(AT)
    assert found is not None and found.keys() == {"pixels", "lengths", "nothing"}
    assert all(
        np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in some().items()
    )
    with pytest.raises(ValueError, match="read-only"):
        found["pixels"][0, 0, 0] = 1
    assert find(AT, 1) is None


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _other_shape(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"[3,4,3]", b"[4,3,3]"))


def _no_digest(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"digest"', b'"diges_"'))


@pytest.mark.parametrize(
    "damage",
    [
        _cut_short,
        _one_bit,
        _other_shape,
        _no_digest,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff" * 64),
        lambda path: path.write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000),
        lambda path: path.write_bytes((2).to_bytes(8, "little") + b"[]"),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_damaged_file_counts_as_none(damage: Callable[[Path], Any], own_cache: Path) -> None:
    keep(AT, some())
    damage(AT.path())
    assert find(AT) is None


def test_every_bit_that_the_content_depends_on_gives_another_address() -> None:
    def at(**changes: Any) -> Address:
        said = {"how": "a", "length": 8, "content": [b"one", b"two"]} | changes
        return address("tokens", {"how": said["how"], "max_length": said["length"]}, said["content"])

    others = [
        at(how="b"),
        at(length=9),
        at(content=[b"one", b"tw", b"o"]),
        at(content=[b"onetwo"]),
        at(content=[b"two", b"one"]),
    ]
    assert len({at().key, *(one.key for one in others)}) == 6
    assert at() == at()


def test_other_libraries_have_addresses_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = address("images", {}, [b"1"])
    monkeypatch.setattr(prepared, "versions", lambda: {"torch": "9"})
    assert address("images", {}, [b"1"]) != before


def test_what_was_used_longest_ago_goes_first(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [Address("images", f"{i:02d}" * 32) for i in range(4)]
    for age, at in enumerate(places[:3]):
        keep(at, some(1000))
        os.utime(at.path(), (100 + age, 100 + age))
    assert find(places[0]) is not None  # used just now
    size = places[0].path().stat().st_size
    monkeypatch.setenv(prepared.LIMIT, str(3 * size + 100))
    keep(places[3], some(1000))
    assert [at.path().exists() for at in places] == [True, False, True, True]
    monkeypatch.setenv(prepared.LIMIT, str(size - 100_000 if size > 100_000 else 100))
    keep(Address("images", "ff" * 32), some(10_000))  # more than all of it may take
    assert not Address("images", "ff" * 32).path().exists()


def test_a_limit_that_is_no_number_is_refused(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(prepared.LIMIT, "10 GB")
    with pytest.raises(SuiteError, match="TRANSFER_SUITE_PREPARED_BYTES is '10 GB'; expected a number of bytes"):
        keep(AT, some())


def test_a_cache_that_cannot_be_written_stops_nothing(own_cache: Path) -> None:
    own_cache.mkdir()
    (own_cache / "prepared").write_text("a file where the folder should be")
    keep(AT, some())
    assert find(AT) is None
    assert any("Prepared data cannot be kept" in trouble for trouble in files.troubles())


def test_several_at_once_keep_and_find_whole_files(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(prepared.LIMIT, "40000")
    wrong: list[str] = []

    def work(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(30):
            number = int(generator.integers(4))
            at, arrays = Address("images", f"{number:02d}" * 32), {"pixels": np.full((12_000,), number, np.uint8)}
            found = find(at)
            if found is None:
                keep(at, arrays)
            elif not np.array_equal(found["pixels"], arrays["pixels"]):
                wrong.append(at.key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(path.stat().st_size for path in kept(own_cache)) < 80_000


# -- tokens ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tokenizer(tiny_bert: Path) -> Any:
    return processors.load(hub.resolve(str(tiny_bert)), "text", 32)[0]


TEXTS = ["a sunny day", "in the dull town", "river", "the music of the garden was sweet in the morning of a cold day"]
PAIRS = ["it was", "grim weather", "a film of the street", "harsh"]


@pytest.mark.parametrize("pairs", [None, PAIRS])
def test_tokens_are_the_same_whether_made_or_found(
    pairs: list[str] | None, tokenizer: Any, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = _texts.encode(tokenizer, TEXTS, pairs, 8)
    assert not kept(own_cache)  # so few are not worth a file
    monkeypatch.setattr(prepared, "LEAST_TEXTS", 4)
    first = _texts.encode(tokenizer, TEXTS, pairs, 8)
    monkeypatch.setattr(_texts, "_encode", None)  # nothing is made again
    again = _texts.encode(tokenizer, TEXTS, pairs, 8)
    assert plain == first == again
    assert [list(item) for item in again[0]] == [list(item) for item in plain[0]]
    assert plain[1] and all(type(number) is int for item in again[0] for of in item.values() for number in of)
    assert len(kept(own_cache)) == 1


def test_tokens_of_other_texts_lengths_and_tokenizers_are_others(
    tokenizer: Any, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "LEAST_TEXTS", 4)
    _texts.encode(tokenizer, TEXTS, None, 8)
    _texts.encode(tokenizer, TEXTS, None, 9)
    _texts.encode(tokenizer, TEXTS, PAIRS, 8)
    _texts.encode(tokenizer, TEXTS[::-1], None, 8)
    _texts.encode(tokenizer, [*TEXTS, *PAIRS], None, 8)
    assert len(kept(own_cache)) == 5
    tokenizer.add_tokens(["sunnyday"])
    _texts.encode(tokenizer, TEXTS, None, 8)
    tokenizer.truncation_side = "left"
    assert _texts.encode(tokenizer, TEXTS, None, 8) == _texts._encode(tokenizer, TEXTS, None, 8)
    assert len(kept(own_cache)) == 7


def test_items_that_are_no_lists_of_numbers_are_not_kept(own_cache: Path) -> None:
    for items in (
        [{"a": [1.5]}],
        [{"a": [1], "b": [1, 2]}],
        [{"a": [1]}, {"b": [1]}],
        [{"a": ["x"]}],
        [{"a": [2**40]}],
    ):
        made: Any = items
        assert prepared.tokens(AT, lambda made=made: (made, [])) == (made, [])
    assert not kept(own_cache)


# -- images ------------------------------------------------------------------------------------------------------------


def photos(n: int, side: int = 150, mode: str = "RGB") -> list[bytes]:
    found = []
    for seed in range(n):
        pixels = np.random.default_rng(seed).integers(0, 255, (side // 10, side // 9, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).resize((side + seed % 7, side)).convert(mode).save(
            stream, "PNG" if mode == "P" else "JPEG"
        )
        found.append(stream.getvalue())
    return found


@pytest.fixture(params=["timm", "transformers"])
def transform(request: pytest.FixtureRequest, tiny_resnet: Path, save_transformers: Any) -> Any:
    folder = tiny_resnet
    if request.param == "transformers":
        import torch
        from transformers import ViTConfig, ViTForImageClassification

        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        folder = save_transformers(ViTForImageClassification(ViTConfig(image_size=32, patch_size=16, **sizes)), "vit")
    return processors.load(hub.resolve(str(folder)), "image", 32)[0]


def prepare(contents: list[bytes], transform: Any) -> list[np.ndarray]:
    split = Split("train", {"image": contents}, [str(row) for row in range(len(contents))])
    items = _images.prepare(split, np.zeros(len(contents)), [0] * len(contents), transform).items
    return [item["pixel_values"] for item in items]


def test_images_are_the_same_whether_decoded_or_found(
    transform: Any, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "LEAST_IMAGES", 8)
    monkeypatch.setattr(prepared, "ROWS", 5)
    contents = [*photos(9), *photos(3, mode="P")]
    plain = [transform(Image.open(io.BytesIO(content)).convert("RGB")) for content in contents]
    first = prepare(contents, transform)
    assert len(kept(own_cache)) == 3
    monkeypatch.setattr(transform, "_cut", None)  # nothing is cut again
    again = prepare(contents, transform)
    for one, two, three in zip(plain, first, again, strict=True):
        assert one.dtype == two.dtype == three.dtype == np.float32
        assert np.array_equal(one, two) and np.array_equal(one, three)
        assert three.flags.writeable


def test_small_or_few_images_have_no_files(transform: Any, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(photos(4), transform)
    monkeypatch.setattr(prepared, "LEAST_IMAGES", 4)
    prepare(photos(4, side=64), transform)
    monkeypatch.setenv(prepared.LIMIT, "0")
    prepare(photos(4), transform)
    assert not kept(own_cache)


def test_a_transform_whose_parts_give_something_else_is_used_whole(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "LEAST_IMAGES", 4)

    def whole(image: Image.Image) -> np.ndarray:
        return np.asarray(image.resize((4, 4)), dtype=np.float32)

    def cut(image: Image.Image) -> np.ndarray:
        return np.asarray(image.resize((4, 4)))

    right = processors.Transform(whole, cut, lambda pixels: pixels.astype(np.float32), "right")
    wrong = processors.Transform(whole, cut, lambda pixels: pixels.astype(np.float32) + 1, "wrong")
    floats = processors.Transform(whole, whole, lambda pixels: pixels, "floats")
    broken = processors.Transform(whole, cut, lambda pixels: pixels.no_such_thing, "broken")
    for count, one in enumerate((wrong, floats, broken, right)):
        assert all(
            np.array_equal(a, whole(Image.open(io.BytesIO(b))))
            for a, b in zip(prepare(photos(4), one), photos(4), strict=True)
        )
        assert len(kept(own_cache)) == (count == 3)


def test_images_that_are_cut_to_different_sizes_are_decoded(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "LEAST_IMAGES", 4)
    transform = processors.Transform(
        lambda image: np.asarray(image, dtype=np.float32),
        np.asarray,
        lambda pixels: pixels.astype(np.float32),
        "as it is",
    )
    assert len({one.shape for one in prepare(photos(4), transform)}) > 1
    assert not kept(own_cache)


def test_a_jpeg_that_ends_too_early_is_found_without_decoding_it_whole() -> None:
    (whole,) = photos(1)
    assert _images._fault(whole) is None
    for share in (0.3, 0.6, 0.9):
        assert "truncated" in str(_images._fault(whole[: int(share * len(whole))]))


# -- runs --------------------------------------------------------------------------------------------------------------


def test_rows_are_prepared_once_for_seeds_and_strategies(
    planned: Callable[..., list[Any]],
    tiny_bert: Path,
    text_task: Path,
    machine: Machine,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_ready, "_READY", {})
    made: list[str] = []
    make = _ready._make
    monkeypatch.setattr(_ready, "_make", lambda spec, task: made.append(task.name) or make(spec, task))
    specs = [spec for name in ("full", "linear_probe") for spec in planned(tiny_bert, text_task, name, 2)]
    shared = [evaluation.evaluate(spec, machine, lambda event: None)[0] for spec in specs]
    assert made == ["mood"]
    for spec, before in zip(specs, shared, strict=True):
        _ready._READY.clear()
        (alone,) = evaluation.evaluate(spec, machine, lambda event: None)
        assert alone.columns == before.columns
    (other,) = planned(tiny_bert, text_task, "full", max_length=16)
    evaluation.evaluate(other, machine, lambda event: None)
    evaluation.evaluate(specs[0].model_copy(update={"resample": "kfold:2"}), machine, lambda event: None)
    evaluation.evaluate(specs[0].model_copy(update={"resample": "kfold:2", "fold": 1}), machine, lambda event: None)
    assert len(made) == 1 + 4 + 3


def test_prepared_rows_that_take_much_memory_are_let_go(
    planned: Callable[..., list[Any]],
    tiny_bert: Path,
    text_task: Path,
    machine: Machine,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_ready, "_READY", {})
    lengths = (16, 17, 18, 19, 20)
    specs = [planned(tiny_bert, text_task, "full", max_length=length)[0] for length in lengths]
    for spec in specs:
        _ready.make_ready(spec, spec.tasks[0], machine)
    assert len(_ready._READY) == _ready.KEPT
    monkeypatch.setattr(_ready, "KEPT_BYTES", 1)
    _ready.make_ready(specs[0], specs[0].tasks[0], machine)
    assert len(_ready._READY) == 1
