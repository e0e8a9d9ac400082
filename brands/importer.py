"""Imports brand folders: `<name>/brand.json` beside pictures in `authentic/`, `logo/`, `known_fake/` and `negative/`.

A picture may have notes beside it (`mark.json` for `mark.png`) with `box`, `source` and `notes`. Hidden files are left
out, anything else that does not fit is an error of its brand. Each brand is imported whole or not at all; running again
brings its details up to date and adds the pictures that are new. They count once their impact check has passed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from brands import references
from brands.errors import Invalid
from brands.model import REFERENCE_KINDS, Admit, Imported, NewReference, ReferenceKind
from brands.payloads import BrandBody
from brands.registry import Registry

PICTURE_BYTES_MAX = 10 * 1024 * 1024
DETAILS = "brand.json"

Progress = Callable[[Path, int, int], None]
"""Called after each picture with its path, how many are done, and how many there are."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one brand folder: what was `imported`, or the file at `fault`, a stable code and a message."""

    folder: Path
    imported: Imported | None = None
    fault: Path | None = None
    code: str = ""
    message: str = ""


class _Notes(BaseModel):
    """The file beside a picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    box: tuple[float, float, float, float] | None = None
    source: str = ""
    notes: str = ""


class _Refused(Exception):
    def __init__(self, fault: Path, code: str, message: str) -> None:
        super().__init__(message)
        self.fault, self.code, self.message = fault, code, message


def import_folder(
    root: Path, registry: Registry, admit: Admit, *, actor: str, progress: Progress | None = None
) -> Iterator[Outcome]:
    """Imports the brand folders in `root`, or `root` itself if it is one, by name; gives an outcome after each.

    `admit` is the image gate. Raises Invalid (`no_brands`) if there is none, Unavailable and OSError as they come.
    """
    folders = [root] if (root / DETAILS).is_file() else [child for child in _visible(root) if child.is_dir()]
    if not folders:
        raise Invalid("There is no brand folder.", code="no_brands")
    total = sum(1 for folder in folders for path in folder.glob("*/*") if _is_picture(path))
    done = 0

    def advance(path: Path) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(path, done, total)

    for folder in folders:
        try:
            yield Outcome(folder, _import_brand(folder, registry, admit, actor, advance))
        except _Refused as refused:
            yield Outcome(folder, None, refused.fault, refused.code, refused.message)


def _import_brand(
    folder: Path, registry: Registry, admit: Admit, actor: str, advance: Callable[[Path], None]
) -> Imported:
    details = _parsed(folder / DETAILS, BrandBody).details()
    pictures = []
    for kind, path in _pictures(folder):
        pictures.append(_stored(kind, path, registry, admit))
        advance(path)
    with _blaming(folder / DETAILS):
        return registry.import_brand(actor=actor, details=details, pictures=pictures)


def _pictures(folder: Path) -> Sequence[tuple[ReferenceKind, Path]]:
    found: list[tuple[ReferenceKind, Path]] = []
    for child in _visible(folder):
        kind = next((kind for kind in REFERENCE_KINDS if kind == child.name), None)
        if child.name == DETAILS:
            continue
        if kind is None or not child.is_dir():
            raise _Refused(child, "unknown_entry", "Only brand.json and folders named for a kind belong here.")
        stems = {path.stem for path in _visible(child) if _is_picture(path)}
        for path in _visible(child):
            if _is_picture(path):
                found.append((kind, path))
            elif path.stem not in stems:
                raise _Refused(path, "unknown_entry", "This is neither a picture nor the notes of one.")
    return found


def _stored(kind: ReferenceKind, path: Path, registry: Registry, admit: Admit) -> NewReference:
    beside = path.with_suffix(".json")
    notes = _parsed(beside, _Notes) if beside.is_file() else _Notes()
    if path.stat().st_size > PICTURE_BYTES_MAX:
        raise _Refused(path, "image_too_large", f"A picture may have at most {PICTURE_BYTES_MAX} bytes.")
    data = path.read_bytes()
    with _blaming(path):
        image = admit(data)
        new = references.checked(
            NewReference(kind, image.sha256, image.width, image.height, notes.box, notes.source, notes.notes)
        )
    return replace(new, image_sha256=registry.blobs.put(data))


def _parsed(path: Path, model: type[Model]) -> Model:
    try:
        value = json.loads(path.read_bytes(), object_pairs_hook=_object, parse_constant=_no_constant)
        return model.model_validate(value)
    except FileNotFoundError:
        raise _Refused(path, "missing", "The file is missing.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise _Refused(path, "invalid", f"{where}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise _Refused(path, "invalid_json", f"The file is not strict JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a name is there twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turns what the image gate or the registry refuses (an error with a code below 500) into a fault of `path`."""
    try:
        yield
    except Exception as error:
        code, status = getattr(error, "code", None), getattr(error, "status", 500)
        if not isinstance(code, str) or status >= 500:
            raise
        raise _Refused(path, code, str(error)) from error


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def _is_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() != ".json" and not path.name.startswith(".")
