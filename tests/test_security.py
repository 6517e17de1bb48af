"""Each promise of SECURITY.md, held to a file that tries to break it."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import call, records
from hub_session import TOKEN, Session
from loopback_hub import LoopbackHub, User
from made_records import made
from watching import Watch, tree

from suite import artifacts, columns, data, hub, layouts, limits, processors, tasks
from suite.spec import CheckpointRef, SuiteError, digest
from suite.store import Store
from suite.submissions import Queue, Submission
from suite.submissions._check import recheck
from suite.validation import check_file

HOSTILE = ["../../x", "/etc/passwd", "..", "a\0b", "a" * 300, "\uff0e\uff0e\uff0fx", "\u202egnp.exe", "-", "x/../../y"]


class Payload:
    """What a pickle can do: call anything."""

    def __reduce__(self) -> Any:
        return (print, ("a pickle ran",))


@pytest.fixture
def copy(tiny_bert: Path, tmp_path: Path) -> Path:
    """A checkpoint that may be spoilt; the files beside its folder are not to be touched."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in tiny_bert.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watch]:
    """Nothing may be unpickled, started, or written outside of the test's own folder."""
    with Watch([tmp_path, *map(Path, _caches())]) as watch:
        yield watch
    assert not watch.seen, watch.seen


def _caches() -> list[str]:
    import os

    return [os.environ["HF_HOME"], os.environ["TRANSFER_SUITE_CACHE"]]


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# -- checkpoints -------------------------------------------------------------------------------------------------------


def test_a_pickle_beside_safetensors_is_never_opened(copy: Path, watched: Watch) -> None:
    from suite import models

    for name in ("pytorch_model.bin", "model.pt", "training_args.bin"):
        (copy / name).write_bytes(pickle.dumps(Payload()))
    models.load(hub.resolve(str(copy)), 2, seed=0)


def test_pickles_alone_are_refused(copy: Path, watched: Watch) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(SuiteError, match="pickled weights only"):
        hub.resolve(str(copy))


def _index(*names: Any) -> Callable[[Path], Any]:
    parts = {f"w{place}": name for place, name in enumerate(names)}
    return lambda folder: (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))


def _config(**changes: Any) -> Callable[[Path], Any]:
    return lambda folder: _edit(folder / "config.json", **changes)


def _file(name: str, content: str | bytes) -> Callable[[Path], Any]:
    raw = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(raw)


def _link(name: str, to: str) -> Callable[[Path], Any]:
    def spoil(folder: Path) -> None:
        (folder.parent / "secret.json").write_text('{"secret": 1}')
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(to)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_config(auto_map={"AutoModel": "code.Model"}), "needs code of its own"),
        (_config(attn_implementation="org/kernel"), "wants code of the Hub"),
        (_config(architecture="hf-hub:org/other"), "expected a name of timm's"),
        (_config(model_args={"checkpoint_path": "/tmp/x.pth"}), "model_args has 'checkpoint_path'"),
        (_config(model_args={"pretrained_cfg": {"url": "http://x"}}), "model_args has 'pretrained_cfg'"),
        (_index("../secret.safetensors"), "names '../secret.safetensors'"),
        (_index("model.safetensors", "/etc/passwd"), "names '/etc/passwd'"),
        (_index("pytorch_model.bin"), "names 'pytorch_model.bin'"),
        (_index("a\0.safetensors"), "expected safetensors files of the same folder"),
        (_index({"a": 1}), "expected safetensors files of the same folder"),
        (_file("adapter_config.json", '{"peft_type": "LORA"}'), "without adapter_model.safetensors"),
        (_file("config.json", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"), "nested deeper than 100 levels"),
        (_file("config.json", b"{" + b" " * 10_000_001 + b"}"), "over 10,000,000 bytes"),
        (_file("tokenizer_config.json", b" " * 10_000_001), "has 10,000,001 bytes; at most 10,000,000"),
        (_link("tokenizer.json", "../secret.json"), "tokenizer.json is a link that leads out of its folder"),
        (_link("tokenizer.json", "/etc/passwd"), "tokenizer.json is a link that leads out of its folder"),
    ],
)
def test_a_checkpoint_that_leads_elsewhere_is_refused(
    copy: Path, watched: Watch, spoil: Callable[[Path], Any], told: str
) -> None:
    spoil(copy)
    with pytest.raises(SuiteError, match="copy") as error:
        hub.resolve(str(copy))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_checkpoint_that_was_spoilt_after_it_was_named_is_refused_too(copy: Path) -> None:
    ref = hub.resolve(str(copy))
    _index("../x.safetensors")(copy)
    with pytest.raises(SuiteError, match="changed while they were being used"):
        hub.fetch(ref)
    with pytest.raises(SuiteError, match="same folder"):
        hub.fetch(ref.model_copy(update={"revision": hub.hash_folder(copy)}))


def test_a_vocabulary_elsewhere_is_not_read(copy: Path, tmp_path: Path, watched: Watch) -> None:
    (tmp_path / "secret.json").write_bytes((copy / "tokenizer.json").read_bytes().replace(b"sunny", b"zzzzz"))
    _edit(copy / "tokenizer_config.json", tokenizer_file=str(tmp_path / "secret.json"), vocab_file="/etc/passwd")
    tokenizer, _ = processors.load(hub.resolve(str(copy)), "text", 32)
    assert "sunny" in tokenizer.get_vocab()
    assert "zzzzz" not in tokenizer.get_vocab()


def test_code_of_a_tokenizer_never_runs(copy: Path, watched: Watch) -> None:
    _edit(copy / "tokenizer_config.json", auto_map={"AutoTokenizer": ["code.T", None]}, tokenizer_class="T")
    (copy / "code.py").write_text("raise SystemExit('it ran')")
    with contextlib.suppress(SuiteError):  # without its code it may be none
        processors.load(hub.resolve(str(copy)), "text", 32)


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 10) + b"{" * 10,
        struct.pack("<Q", 200_000) + b'{"a":' + b"[" * 199_995,
        b"",
        pickle.dumps(Payload()),
    ],
)
def test_weights_with_a_hostile_header_are_one_sentence(copy: Path, watched: Watch, head: bytes) -> None:
    from suite import models

    (copy / "model.safetensors").write_bytes(head)
    with pytest.raises(SuiteError, match="cannot be loaded"):
        models.load(hub.resolve(str(copy)), 2, seed=0)


@pytest.mark.parametrize(
    "word", [*HOSTILE, "~nobody/x", "~", "org/name@../../x", "bundled/../../x", "org/" + "n" * 300]
)
def test_no_word_for_a_model_leads_anywhere(word: str, watched: Watch, tmp_path: Path) -> None:
    if word in ("..", "~"):  # folders, which hold no checkpoint
        with pytest.raises(SuiteError, match=r"config\.json"):
            hub.resolve(word, offline=True)
        return
    with pytest.raises(SuiteError):
        hub.resolve(word, offline=True)


# -- kept weights ------------------------------------------------------------------------------------------------------


def test_kept_weights_are_no_pickles_links_or_other_adapters(tmp_path: Path, watched: Watch) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(SuiteError, match="safetensors, never pickles"):
        artifacts.refuse_pickles(folder)
    (folder / "adapter_model.bin").unlink()
    (tmp_path / "secret").write_text("mine")
    (folder / "adapter_model.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(SuiteError, match="but a link to one elsewhere"):
        artifacts.refuse_pickles(folder)
    claimed = {"adapter_model.safetensors": digest(b"mine")}
    assert artifacts.changed(claimed, folder) == ["weights/adapter_model.safetensors is missing"]
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.safetensors").write_bytes(b"")
    for said in ({"peft_type": "XLORA"}, {"peft_type": "LORA", "megatron_config": {"a": 1}}, {}):
        (folder / "adapter_config.json").write_text(json.dumps(said))
        with pytest.raises(SuiteError, match="no plain LoRA"):
            hub.check_folder("kept", folder)


def test_a_kept_model_is_looked_at_as_a_checkpoint_is(copy: Path) -> None:
    _index("../x.safetensors")(copy)
    with pytest.raises(SuiteError, match="same folder"):
        hub.check_folder("kept", copy)
    with pytest.raises(SuiteError, match="cannot be loaded"):
        layouts.load(copy.parent, "AutoModelForSequenceClassification")


def test_a_record_cannot_name_files_elsewhere_as_its_weights(tmp_path: Path, watched: Watch) -> None:
    store = Store(str(tmp_path / "store"))
    record = store.put(made("org/m", "one", [1.0, 0.0]))
    name = f"{record.key}-1"
    entry = tmp_path / "store" / "records" / record.key[:2] / name
    (entry / "weights").mkdir()
    body = json.loads((entry / "record.json").read_text())
    body["artifact"] = {"../../../../etc/passwd": digest(Path("/etc/passwd").read_bytes())}
    _filed(entry, body)
    held = store.get(record.key)
    with store.weights(record.key) as folder:
        assert artifacts.changed(held.artifact, folder) == ["weights/../../../../etc/passwd is missing"]
    told = call("verify", record.key[:12], "--store", tmp_path / "store")
    assert told.code == 1
    assert "is missing" in told.out


# -- stores ------------------------------------------------------------------------------------------------------------


def _filed(entry: Path, body: dict[str, Any]) -> None:
    text = json.dumps(body).encode()
    (entry / "record.json").write_bytes(text)
    sums = {"record.json": digest(text), "predictions.parquet": digest((entry / "predictions.parquet").read_bytes())}
    (entry / "digest.json").write_text(json.dumps(sums))


@pytest.mark.parametrize("name", [*HOSTILE, f"{'a' * 64}-\u0661", "\uff11" * 64 + "-1", f"{'A' * 64}-1"])
def test_no_name_in_a_store_leads_out_of_it(tmp_path: Path, watched: Watch, name: str) -> None:
    url = tmp_path / "deep" / "store"
    store = Store(str(url))
    record = store.put(made("org/m", "one", [1.0, 0.0]))
    before = tree(tmp_path, without=url)
    with pytest.raises(SuiteError):
        store.get(name)
    with pytest.raises(SuiteError):
        store.put(made("org/x", "one", [1.0]).__class__(record.model_copy(update={"key": name}), _columns(1)))
    entry = url / "records" / record.key[:2] / f"{record.key}-1"
    _filed(entry, json.loads((entry / "record.json").read_text()) | {"key": name})
    assert "the record inside says" in next(iter(store.contents().faults.values()))
    assert tree(tmp_path, without=url) == before


def _columns(n: int) -> dict[str, list[Any]]:
    rows = [f"r{i}" for i in range(n)]
    return {"id": rows, "label": rows, "prediction": rows, "scores": [[1.0]] * n, "value": [1.0] * n}


def test_names_in_an_index_and_in_packs_lead_nowhere(tmp_path: Path, watched: Watch) -> None:
    from suite.publication._pack import Shelf, write

    store = Store(str(tmp_path / "store"))
    store.put(made("org/m", "one", [1.0, 0.0]))
    shelf = Shelf(store)
    files = write([shelf.filed(name) for name in store.names()], tmp_path / "packed", lambda filed: "")
    before = tree(tmp_path, without=tmp_path / "packed")
    for path in files.values():
        table = pq.read_table(path)
        pq.write_table(table.set_column(table.column_names.index("name"), "name", pa.array(["../../../../x"])), path)
    held = Store(str(tmp_path / "packed"))
    assert not held.contents().entries
    with pytest.raises(SuiteError):
        held.get("../../../../x")
    assert tree(tmp_path, without=tmp_path / "packed") == before


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("digest.json", b"[" * 100_000),
        ("digest.json", b'{"record.json": "\xff"}'),
        ("record.json", b"\xff\xfe"),
        ("record.json", b"[" * 100_000 + b"]" * 100_000),
        ("record.json", b'{"schema_version": 1e999}'),
    ],
)
def test_a_record_that_is_none_is_told_and_the_others_are_shown(tmp_path: Path, file: str, content: bytes) -> None:
    store = Store(str(tmp_path / "store"))
    bad = store.put(made("org/bad", "one", [1.0, 0.0]))
    store.put(made("org/good", "one", [1.0, 0.0]))
    entry = tmp_path / "store" / "records" / bad.key[:2] / f"{bad.key}-1"
    (entry / file).write_bytes(content)
    if file == "record.json":
        sums = {name: digest((entry / name).read_bytes()) for name in ("record.json", "predictions.parquet")}
        (entry / "digest.json").write_text(json.dumps(sums))
    told = call("leaderboard", "--store", tmp_path / "store", "--format", "json")
    assert told.code == 0
    assert [row["model"] for row in json.loads(told.out)] == ["org/good"]


# -- parquet -----------------------------------------------------------------------------------------------------------


def _shared(rows: int, size: int) -> bytes:
    """Return an honest table of a few kB that takes rows times size bytes in memory: all rows share one text."""
    one = pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), pa.array(["x" * size]))
    content = io.BytesIO()
    pq.write_table(pa.table({"id": one}), content, store_schema=False)
    return content.getvalue()


def test_a_table_that_grows_is_refused_before_it_is_read() -> None:
    assert len(_shared(1_000_000, 1_000_000)) < 100_000
    with pytest.raises(ValueError, match=r"would take 1,000,000,000,000 bytes in memory"):
        limits.read_table(_shared(1_000_000, 1_000_000))
    assert len(limits.read_table(_shared(1_000, 1_000))) == 1_000


def test_row_groups_that_fit_one_by_one_are_refused_where_they_are_read_together() -> None:
    one = pa.DictionaryArray.from_arrays(np.zeros(1_000, dtype=np.int32), pa.array(["x" * 100_000]))
    content = io.BytesIO()
    pq.write_table(pa.table({"id": one}), content, store_schema=False, row_group_size=100)
    assert len(limits.read_table(content, most=110_000_000)) == 1_000
    with pytest.raises(ValueError, match=r"would take [0-9,]+ bytes in memory; at most 90,000,000"):
        limits.read_table(content, most=90_000_000)
    with pytest.raises(ValueError, match="would take"):
        limits.open_table(content, most=90_000_000, whole=True)
    assert limits.open_table(content, most=90_000_000).num_row_groups == 10


def _varint(value: int) -> bytes:
    """Return a number as a footer has it: zigzag, seven bits a byte."""
    rest, made = value << 1, bytearray()
    while rest >= 128:
        made.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*made, rest])


def test_a_parquet_that_claims_ten_gigabytes_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    rows = pa.table({"text": np.zeros(35_000_000, np.int32)})
    pq.write_table(rows, content, use_dictionary=False, compression="zstd", row_group_size=len(rows))
    size = pq.read_metadata(content).row_group(0).total_byte_size
    whole = content.getvalue()
    footer = whole[-8 - int.from_bytes(whole[-8:-4], "little") :]
    claims = footer.replace(_varint(size), _varint(10_000_000_000))
    assert len(claims) == len(footer)
    assert claims != footer
    path = tmp_path / "train.parquet"
    path.write_bytes(whole.removesuffix(footer) + claims)
    with pytest.raises(ValueError, match=r"claims 10,000,000,000 bytes in memory; at most 8,000,000,000"):
        limits.check_rows(path, "parquet")
    with pytest.raises(ValueError, match="claims"):
        limits.read_table(path.read_bytes())
    with pytest.raises(ValueError, match="claims"):
        limits.open_table(path.read_bytes())


# -- data and task files -----------------------------------------------------------------------------------------------

TASK = """\
name: film
version: 1
kind: text_classification
dataset:
  path: json
  data_files: {train: train.json, test: test.json}
columns: {text: text, label: label}
metrics: [accuracy]
"""


def _task(folder: Path, train: bytes, text: str = TASK) -> Path:
    rows = b"".join(b'{"text": "a day %d", "label": "%s"}\n' % (i, (b"no", b"yes")[i % 2]) for i in range(20))
    (folder / "test.json").write_bytes(rows)
    (folder / "train.json").write_bytes(train or rows)
    (folder / "film.yaml").write_text(text)
    return folder / "film.yaml"


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b', "label": "no"}\n', "nested deeper than 100 levels"),
        (b'{"text": "[[' + b"x" * 18_000_000 + b'", "label": ' + b'{"a":' * 200, "nested deeper than 100 levels"),
        (b"\x1f\x8b\x08\x00" + b"\0" * 20, "it is packed (gzip); unpack it first"),
        (b"PK\x03\x04" + b"\0" * 20, "it is packed (zip); unpack it first"),
    ],
)
def test_rows_that_would_crash_or_fill_a_machine_are_refused(tmp_path: Path, train: bytes, told: str) -> None:
    with pytest.raises(SuiteError, match=r"train\.json") as error:
        check_file(_task(tmp_path, train))
    assert told in str(error.value)


def test_brackets_in_texts_are_no_nesting(tmp_path: Path) -> None:
    rows = b"".join(
        b'{"text": "a day %d %s", "label": "%s"}\n' % (i, b"[" * 500, (b"no", b"yes")[i % 2]) for i in range(40)
    )
    assert "All is well." in check_file(_task(tmp_path, rows))


def test_a_text_of_a_hundred_megabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_TEXT", 1_000_000)  # a tenth, to be quick
    rows = b"".join(b'{"text": "day %d", "label": "no"}\n' % i for i in range(20))
    long = b'{"text": "' + b"x" * 1_000_001 + b'", "label": "yes"}\n'
    with pytest.raises(SuiteError, match=r"row 20 of split 'train' holds a text of 1,000,001 characters"):
        check_file(_task(tmp_path, rows + long))


def test_a_strangers_task_file_names_only_what_came_with_it(tmp_path: Path) -> None:
    inside = tmp_path / "theirs"
    inside.mkdir()
    (tmp_path / "secret.json").write_text('{"text": "a", "label": "b"}\n')
    assert check_file(_task(inside, b""), within=True)
    for name in ("../secret.json", str(tmp_path / "secret.json"), "../*.json"):
        path = _task(inside, b"", TASK.replace("train: train.json", f"train: {name!r}"))
        assert tasks.load_file(path)  # one's own may
        with pytest.raises(SuiteError, match="lies outside of"):
            check_file(path, within=True)
    path = _task(inside, b"")
    (inside / "train.json").unlink()
    (inside / "train.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(SuiteError, match="lies outside of"):
        check_file(path, within=True)
    told = call("validate", "--within", path)
    assert told.code == 2
    assert "lies outside of" in told.err


def test_yaml_that_explodes_is_refused(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]" for i in range(9)]
    (tmp_path / "film.yaml").write_text("\n".join(lines))
    with pytest.raises(SuiteError, match="aliases"):
        tasks.load_file(tmp_path / "film.yaml")
    card = tmp_path / "README.md"
    card.write_text("---\nlicense: mit\n" + "\n".join(lines) + "\n---\n# m\n")
    assert limits.read_front_matter(card) == {}
    card.write_text("---\nlicense: mit\n---\n# m\n")
    assert limits.read_front_matter(card) == {"license": "mit"}
    for text in ("x: " + "[" * 60 + "]" * 60, "x: !!python/object/apply:os.system [id]", "a" * 2_000_001):
        with pytest.raises(ValueError):
            limits.parse_yaml(text)


# -- pictures ----------------------------------------------------------------------------------------------------------


def _png(width: int, height: int) -> bytes:
    """Return a PNG that claims so many pixels, all black, in a few kB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * min(height * (width // 8 + 1), 10_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_100, 12_000, 60_000])
@pytest.mark.filterwarnings("ignore:Image size")
def test_a_picture_that_grows_is_refused_before_it_is_decoded(side: int) -> None:
    from suite.contamination import _images as hashed
    from suite.kinds import _images

    content = _png(side, side)
    assert len(content) < 50_000
    assert "pixels" in str(_images._fault(content))
    with pytest.raises(SuiteError, match="pixels"):
        hashed.pixels(content)


@pytest.mark.parametrize("form", ["ICO", "JPEG2000", "TGA", "PCX", "SGI", "DDS", "IM"])
def test_seldom_used_decoders_see_no_strangers_bytes(form: str) -> None:
    from PIL import Image, UnidentifiedImageError

    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 30)).save(stream, form)
    with pytest.raises(UnidentifiedImageError):
        limits.open_picture(stream.getvalue())


@pytest.mark.parametrize("form", limits.FORMATS)
def test_the_usual_formats_are_read(form: str) -> None:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (16, 12), (200, 30, 30)).save(stream, form)
    assert limits.open_picture(stream.getvalue()).convert("RGB").size == (16, 12)


def test_a_data_set_cannot_name_pictures_of_this_machine(tmp_path: Path) -> None:
    from PIL import Image

    mine = tmp_path / "mine"
    mine.mkdir()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    stream = io.BytesIO()
    for place in range(20):
        Image.new("RGB", (8, 8), (place * 12, 9, 99)).save(theirs / f"{place}.png")
    Image.new("RGB", (8, 8), (200, 30, 30)).save(mine / "private.png")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(stream, "PNG")
    cells = [{"bytes": stream.getvalue(), "path": None}] * 20
    table = {"image": [*cells, {"bytes": None, "path": str(mine / "private.png")}], "label": ["a", "b"] * 10 + ["a"]}
    pq.write_table(pa.table(table), theirs / "train.parquet")
    pq.write_table(pa.table({"image": cells, "label": ["a", "b"] * 10}), theirs / "test.parquet")
    text = TASK.replace("json", "parquet").replace("text_", "image_").replace("text: text", "image: image")
    (theirs / "film.yaml").write_text(text)
    task = tasks.load_file(theirs / "film.yaml")
    with pytest.raises(SuiteError, match="row 20 of split 'train' holds no image"):
        data.load(task, tasks.local_files(task), {})


# -- submissions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"model": "/etc"},
        {"model": "../x"},
        {"model": "~/secret"},
        {"model": "\uff4frg/m"},
        {"revision": "main"},
        {"revision": "../../x"},
        {"tasks": ["/home/me/private.yaml"]},
        {"tasks": ["../film.yaml"]},
        {"tasks": []},
        {"protocol": "/home/me/p.yaml"},
        {"collection": "../../x"},
        {"strategy": "os.system"},
    ],
)
def test_a_submission_in_a_queue_names_nothing_of_this_machine(tmp_path: Path, change: dict[str, Any]) -> None:
    asked = {"id": "20260101-000000-00000001", "model": "org/m", "revision": "a" * 40, "strategy": "linear_probe"}
    asked |= {"collection": "quick", "protocol": "quick", "tasks": ["digits"], "runs": 1, "created": "2026-01-01"}
    recheck(Submission.model_validate_json(json.dumps(asked)))
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "20260101-000000-00000001.json").write_text(json.dumps(asked | change))
    told = call("queue", "work", "--store", tmp_path, "--offline")
    assert told.code == 1, told
    assert [one.state for one in Queue(str(tmp_path)).listed()] == ["failed"]
    assert not records(tmp_path)


# -- the Hub -----------------------------------------------------------------------------------------------------------

RUN = """
from pathlib import Path
from huggingface_hub.utils import disable_progress_bars
from suite import hub
disable_progress_bars()
result = str(hub.fetch(hub.resolve(word)))
"""


@pytest.fixture(scope="module")
def session(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoopbackHub, Session, Path]]:
    home = tmp_path_factory.mktemp("home")
    files = {path.name: path.read_bytes() for path in tiny_bert.iterdir()}
    with LoopbackHub() as hub:
        hub.users[TOKEN] = User("ann", ("org",))
        hub.repository("org/good").commit(files)
        hub.repository("org/climbs").commit(files | {"../../../../climbed.json": b"{}", "a/../../b.json": b"{}"})
        hub.repository("org/huge").commit(files | {"tokenizer_config.json": b" " * 10_000_001})
        hub.repository("org/shards").commit(files | {"model.safetensors.index.json": b'{"weight_map": {"a": "../x"}}'})
        with Session(hub, home) as opened:
            yield hub, opened, home


def test_no_file_of_a_repository_lands_outside_of_the_cache(session: tuple[LoopbackHub, Session, Path]) -> None:
    from hub_session import RefusedError

    hub, opened, home = session
    with pytest.raises(RefusedError):
        opened.run(RUN, word="org/climbs")
    assert not list(home.rglob("climbed.json"))
    assert not list(home.parent.glob("climbed.json"))
    with pytest.raises(RefusedError, match="has 10,000,001 bytes"):
        opened.run(RUN, word="org/huge")
    assert not any(
        request.path.endswith("/tokenizer_config.json") for request in hub.requests if "huge" in request.path
    )
    with pytest.raises(RefusedError, match="same folder"):
        opened.run(RUN, word="org/shards")
    assert Path(opened.run(RUN, word="org/good")).is_dir()


def test_no_token_is_written_down_anywhere(
    session: tuple[LoopbackHub, Session, Path], text_task: Path, tiny_protocol: Path, tmp_path: Path
) -> None:
    """A token is in the environment while runs end, fail and are published; then all that was written is read."""
    hub, opened, home = session
    store = tmp_path / "store"
    common = ("-t", text_task, "-s", "linear_probe", "--protocol", tiny_protocol, "--store", store, "--seeds", "1")
    machine = ("--device", "cpu", "--threads", "1")
    broken = dict(hub.repository("org/good").files) | {"model.safetensors": b"no weights"}
    hub.repository("org/broken").commit(broken)
    told = opened.suite("run", "-m", "org/good", "-m", "org/broken", *common, *machine)
    assert told.code == 1, told.err
    assert list(store.glob("failures/*.log"))
    hub.fail("GET /api/models/org/good", status=500, times=50)
    assert opened.suite("run", "-m", "org/good", *common, *machine).code == 2
    hub.faults.clear()
    assert opened.suite("publish-results", "--to", "org/results", "--store", store).code == 0
    hub.fail("POST /api/datasets/org/results/commit", status=500, times=50)
    opened.suite("publish-results", "--to", "org/results", "--store", store)
    hub.faults.clear()
    assert opened.suite("card", "org/good", "--store", store, "-o", tmp_path / "card.md").code == 0
    assert any(request.token == TOKEN for request in hub.requests)  # it was used
    for folder in (store, home, tmp_path):
        for path in folder.rglob("*"):
            assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    for (_, _), repository in hub.repositories.items():
        for files in repository.commits.values():
            assert not any(TOKEN.encode() in content for content in files.values())
    assert TOKEN not in opened.said


# -- what is shown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a\x1b[31mb", "\u202egnp.exe", "[x](javascript:alert(1))", "a|b\nc"]
)
def test_hostile_names_are_shown_and_never_obeyed(tmp_path: Path, name: str) -> None:
    store = Store(str(tmp_path / "store"))
    store.put(made(name, "one", [1.0, 0.0], seed=0))
    before = tree(tmp_path, without=tmp_path / "store")
    told = call("leaderboard", "--store", tmp_path / "store", "--format", "markdown")
    assert told.code == 0
    assert "<script>" not in told.out
    card = call("card", name, "--store", tmp_path / "store")
    assert "\x1b" not in card.out
    shown = re.sub(
        r"```.*?```", "", card.out.partition("\n---\n")[2], flags=re.DOTALL
    )  # a block of code is shown as it is
    assert "<script>" not in shown
    assert "\u202e" not in shown
    page = tmp_path / "store" / "page.html"
    assert call("report", "--store", tmp_path / "store", "-o", page).code == 0
    html = page.read_text()
    assert "<script>alert" not in html
    assert "\x1b" not in html
    refused = call("card", f"{name}?", "--store", tmp_path / "store")
    assert refused.code == 2
    assert "\x1b" not in refused.err
    assert "\u202e" not in refused.err
    assert tree(tmp_path, without=tmp_path / "store") == before


def test_a_reference_may_be_made_by_hand_without_harm() -> None:
    ref = CheckpointRef(name="../../x", revision="sha256:" + "0" * 64)
    with pytest.raises(SuiteError, match="is not on this machine"):
        hub.fetch(ref)
