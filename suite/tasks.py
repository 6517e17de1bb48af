"""Task files, collections and protocols: YAML in, frozen specs out, mistakes named by file and line.

A file is found by its name under tasks/ (`tasks/bundled/digits.yaml` is the task `digits`) or given
as a path. Data files stand relative to the task file and are pinned by the hash of their bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from suite import plugins, resources
from suite.spec import Collection, Protocol, Strict, SuiteError, TaskSpec, digest_files, unknown

LOCAL_BUILDERS = ("csv", "json", "parquet", "arrow", "imagefolder", "webdataset")
MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 20
_SPECIAL = ("collections", "protocols")

_NO_YAML = (yaml.YAMLError, ValueError, RecursionError, AttributeError, LookupError, TypeError)
"""What PyYAML raises: its own errors, and whatever slips out of its constructors (`!!timestamp 5`, `!!bool x`)."""

SpecT = TypeVar("SpecT", bound=Strict)


def task_files() -> dict[str, Path]:
    """Return every bundled task file by task name."""
    return _by_stem(p for p in resources.folder("tasks").glob("*/*.yaml") if p.parent.name not in _SPECIAL)


def collection_files() -> dict[str, Path]:
    """Return every bundled collection file by name."""
    return _by_stem((resources.folder("tasks") / "collections").glob("*.yaml"))


def protocol_files() -> dict[str, Path]:
    """Return every bundled protocol file by name."""
    return _by_stem((resources.folder("tasks") / "protocols").glob("*.yaml"))


def _by_stem(paths: Iterator[Path]) -> dict[str, Path]:
    return {path.stem: path for path in sorted(paths)}


def load(word: str) -> list[TaskSpec]:
    """Return the tasks that a word means: a task's name, a collection's name or a YAML file.

    Raises:
        SuiteError: nothing has that name, or the file has mistakes (all of them are told at once).
    """
    if word.endswith((".yaml", ".yml")):
        return [load_file(Path(word))]
    if word in task_files():
        return [load_file(task_files()[word])]
    if word in collection_files():
        return [load(name)[0] for name in load_collection(word).tasks]
    raise unknown("task or collection", word, [*task_files(), *collection_files()])


def load_file(path: Path) -> TaskSpec:
    """Return the task of one file, its local data files pinned by their hash.

    Raises:
        SuiteError: the file cannot be read or does not say a task; the message names file and line.
    """
    spec, lines = _read(path, TaskSpec)
    task = spec.model_copy(update={"file": _shown(path), "lines": lines})
    _check_words(task)
    if task.dataset.path in LOCAL_BUILDERS and task.dataset.revision is None:
        task = task.model_copy(update={"dataset": task.dataset.model_copy(update={"revision": pin_of_files(task)})})
    return task


def pin_of_files(task: TaskSpec) -> str:
    """Return what pins the data of a local task: 'sha256:...' over its files as they are now.

    Raises:
        SuiteError: a file is missing or cannot be read.
    """
    return hash_files(data_files(task), base=Path(task.file).resolve().parent if _by_folder(task) else None)


def load_collection(name: str) -> Collection:
    """Return a bundled collection; its tasks must all exist."""
    path = collection_files().get(name)
    if path is None:
        raise unknown("collection", name, collection_files())
    collection, _ = _read(path, Collection)
    for task in collection.tasks:
        if task not in task_files():
            raise SuiteError(f"{_shown(path)}: {unknown('task', task, task_files())}")
    return collection


def load_protocol(word: str) -> Protocol:
    """Return a protocol by its name or from a YAML file."""
    path = Path(word) if word.endswith((".yaml", ".yml")) else protocol_files().get(word)
    if path is None:
        raise unknown("protocol", word, protocol_files())
    return _read(path, Protocol)[0]


def data_files(task: TaskSpec) -> dict[str, list[str]]:
    """Return the absolute data files of each split of a local task.

    Raises:
        SuiteError: a file is missing or the task names none.
    """
    base = Path(task.file).resolve().parent
    found: dict[str, list[str]] = {}
    for split, patterns in (task.dataset.data_files or {}).items():
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            files = _matches(base, pattern)
            if not files:
                raise SuiteError(
                    f"{task.where('dataset', 'data_files', split)}: no file matches '{pattern}' in {base}."
                )
            found.setdefault(split, []).extend(files)
    if not found:
        raise SuiteError(
            f"{task.where('dataset')}: the builder '{task.dataset.path}' needs data_files, "
            "for example data_files: {train: train.csv, test: test.csv}."
        )
    return found


def check_within(task: TaskSpec) -> None:
    """Refuse a task whose data files lie outside of the task file's folder, as a stranger's should not.

    Raises:
        SuiteError: one does, by its name or as a link; the message says which.
    """
    if task.dataset.path not in LOCAL_BUILDERS:
        return
    base = Path(task.file).resolve().parent
    for split, names in data_files(task).items():
        for name in names:
            if not Path(name).resolve().is_relative_to(base):
                raise SuiteError(
                    f"{task.where('dataset', 'data_files', split)}: {name} lies outside of {base}; a stranger's task "
                    "file may only name what came with it."
                )


def local_files(task: TaskSpec) -> dict[str, list[str]] | None:
    """Return the data files of a task that a local builder reads, None for a Hub data set."""
    return data_files(task) if task.dataset.path in LOCAL_BUILDERS else None


def _matches(base: Path, pattern: str) -> list[str]:
    try:
        if Path(pattern).is_absolute():
            return [pattern] if Path(pattern).is_file() else []
        plain = base / pattern
        files = [plain] if plain.is_file() else sorted(p for p in base.glob(pattern) if p.is_file())
    except (OSError, ValueError, NotImplementedError):  # no pattern at all, or a name no file can have
        return []
    return [str(p) for p in files]


def _by_folder(task: TaskSpec) -> bool:
    """Return whether a file's folder says something: to imagefolder it is the label."""
    return task.dataset.path == "imagefolder"


def hash_files(files: dict[str, list[str]], base: Path | None = None) -> str:
    """Return 'sha256:...' over the splits' file names (below `base`: with their folders) and bytes.

    Raises:
        SuiteError: a file cannot be read.
    """
    names = [(split, Path(file)) for split in sorted(files) for file in files[split]]
    try:
        states = [(f"{split}\0{_name_below(file, base)}", str(file), file.stat()) for split, file in names]
        return digest_files(tuple((label, path, state.st_mtime_ns, state.st_size) for label, path, state in states))
    except OSError as error:
        raise SuiteError(f"Cannot read the data file {error.filename}: {error.strerror}.") from None


def _name_below(file: Path, base: Path | None) -> str:
    return file.relative_to(base).as_posix() if base and file.is_relative_to(base) else file.name


def _check_words(task: TaskSpec) -> None:
    """Check what pydantic cannot: names against the file name, the known kinds and the pin's form."""
    wrong: list[str] = []
    if task.name != Path(task.file).stem:
        wrong.append(
            f"{task.where('name')}: name '{task.name}' differs from the file's name "
            f"'{Path(task.file).stem}'; rename one of them."
        )
    if task.kind not in plugins.names("kinds"):
        wrong.append(f"{task.where('kind')}: {unknown('task kind', task.kind, plugins.names('kinds'))}")
    for part, other in (("test", "train"), ("validation", "train"), ("validation", "test")):
        if getattr(task.splits, part) == getattr(task.splits, other):
            wrong.append(
                f"{task.where('splits', part)}: {part} and {other} are both the split '{getattr(task.splits, part)}'; "
                "rows that are trained or selected on say nothing when they are tested on."
            )
    revision = task.dataset.revision
    on_hub = task.dataset.path not in LOCAL_BUILDERS
    if on_hub and revision and not (len(revision) == 40 and set(revision) <= set("0123456789abcdef")):
        wrong.append(
            f"{task.where('dataset', 'revision')}: revision '{revision}' is no commit; "
            "expected 40 hexadecimal digits, as the Hub's history page of the data set shows them."
        )
    if on_hub and task.dataset.data_files:
        wrong.append(
            f"{task.where('dataset', 'data_files')}: data_files go with a local builder "
            f"({', '.join(LOCAL_BUILDERS)}); '{task.dataset.path}' is read as a Hub data set."
        )
    if wrong:
        raise SuiteError("\n".join(wrong))


def _read(path: Path, model: type[SpecT]) -> tuple[SpecT, dict[str, int]]:
    """Parse one YAML file strictly; return the spec and the line of every field."""
    value, lines = _parse(path)
    for hidden in [name for name, field in model.model_fields.items() if field.exclude and name in value]:
        raise SuiteError(f"{_shown(path)}:{lines[hidden]}: {unknown('field', hidden, _fields(model, []))}")
    try:
        text = json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise SuiteError(f"{_shown(path)}: only texts, numbers, lists and mappings are allowed: {error}.") from None
    try:
        return model.model_validate_json(text), lines
    except ValidationError as error:
        told = sorted((_line_of(lines, m["loc"]), _explain(path, model, lines, m)) for m in _mistakes(error, value))
        raise SuiteError("\n".join(text for _, text in told)) from None


def _parse(path: Path) -> tuple[Any, dict[str, int]]:
    """Return a YAML file's value and its lines; aliases are refused, so that no file can explode."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SuiteError(f"{_shown(path)}: a file of over {MAX_FILE_BYTES:,} bytes is no task file.")
        text = path.read_text(encoding="utf-8")
        _check_shape(path, text)
        node = yaml.compose(text, yaml.SafeLoader)
        value = yaml.safe_load(text)
    except OSError as error:
        raise SuiteError(f"Cannot read {_shown(path)}: {error.strerror}.") from None
    except _NO_YAML as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or type(error).__name__
        raise SuiteError(f"{_shown(path)}{line}: this is no valid YAML: {problem}.") from None
    if not isinstance(value, dict) or node is None:
        raise SuiteError(f"{_shown(path)}:1: expected fields such as 'name: ...', found {type(value).__name__}.")
    return value, _lines_once(path, node)


def _check_shape(path: Path, text: str) -> None:
    """Refuse aliases and deep nesting before anything is built from them."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        place = f"{_shown(path)}:{event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent):
            raise SuiteError(f"{place}: YAML aliases (*{event.anchor}) are not allowed; write the value out.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SuiteError(
                f"{place}: this is nested deeper than {MAX_DEPTH} levels; no field of ours goes that deep."
            )


def _lines_once(path: Path, node: yaml.Node) -> dict[str, int]:
    """Return the line of every field; YAML itself would let the last of two equal ones win."""
    lines: dict[str, int] = {}
    for name, line in _lines(node):
        if name in lines:
            raise SuiteError(f"{_shown(path)}:{line}: '{name}' stands in line {lines[name]} already; keep one of them.")
        lines[name] = line
    return lines


def _lines(node: yaml.Node, prefix: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            yield name, key.start_mark.line + 1
            yield from _lines(value, f"{name}.")
    if isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield f"{prefix}{place}", value.start_mark.line + 1
            yield from _lines(value, f"{prefix}{place}.")


def _mistakes(error: ValidationError, value: Any) -> list[dict[str, Any]]:
    """Return pydantic's errors with `loc` as the file has it, and one only for a field of several types."""
    whole: dict[tuple[str, ...], dict[str, Any]] = {}
    inside: list[dict[str, Any]] = []
    for one in error.errors():
        names, branch = _place(one, value)
        if branch != names:
            inside.append({**one, "loc": names})
        elif names in whole:
            whole[names]["msg"] += one["msg"].replace("Input should be", " or")
        else:
            whole[names] = {**one, "loc": names}
    explained = {one["loc"][:depth] for one in inside for depth in range(len(one["loc"]))}
    return [one for names, one in whole.items() if names not in explained] + inside


def _place(error: Any, value: Any) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Return where in the file an error is, and the field of several types that it belongs to, if any.

    pydantic puts the type it tried among the names: ('splits', 'validation', 'Carve', 'fraction').
    """
    names: list[str] = []
    branch = None
    for place, part in enumerate(error["loc"]):
        inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        last = place == len(error["loc"]) - 1
        if inside:
            value = value[part]
        elif not (last and error["type"] in ("missing", "extra_forbidden")):
            branch = tuple(names)
            continue
        names.append(str(part))
    return tuple(names), branch


def _explain(path: Path, model: type[Strict], lines: dict[str, int], error: Any) -> str:
    """Return one sentence for one pydantic error, with the line it stands on."""
    names, line = list(error["loc"]), _line_of(lines, error["loc"])
    field = ".".join(names)
    if error["type"] == "extra_forbidden":
        known = _fields(model, names[:-1])
        return f"{_shown(path)}:{line}: {unknown('field', names[-1], known)}"
    if error["type"] == "missing":
        return f"{_shown(path)}:{line}: the field '{field}' is missing; add '{names[-1]}: ...'."
    found = json.dumps(error["input"], default=str, ensure_ascii=False)
    plain = not isinstance(error["input"], list | dict)
    hints = {
        "string_type": " Put it in quotes." if plain else "",
        "string_pattern_mismatch": " A name is made of lower-case letters, digits and '-', '_' or '.' between them.",
    }
    return f"{_shown(path)}:{line}: {field}: {error['msg']}; found {found[:80]}.{hints.get(error['type'], '')}"


def _line_of(lines: dict[str, int], names: tuple[str, ...]) -> int:
    """Return the line of a field, or of the nearest one around it."""
    return next((at for depth in range(len(names), 0, -1) if (at := lines.get(".".join(names[:depth])))), 1)


def _fields(model: Any, names: list[str]) -> list[str]:
    """Return the field names allowed at a place inside a model."""
    for name in names:
        fields = getattr(model, "model_fields", {})
        annotation = fields[name].annotation if name in fields else None
        inner = [annotation, *getattr(annotation, "__args__", ())]
        model = next((a for a in inner if hasattr(a, "model_fields")), model)
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items() if not field.exclude]


def _shown(path: Path) -> str:
    """Return the path as a reader finds it: relative to here where it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
