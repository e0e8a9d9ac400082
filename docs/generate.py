"""Writes the pages that are made from code: settings, command line, error codes, OpenAPI (`make docs`)."""

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin
from unittest.mock import Mock

import typer
from pydantic.fields import FieldInfo
from typer.core import TyperGroup
from typer.testing import CliRunner

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]  # this checkout, whatever is installed, and the neighbour `error_codes`

import error_codes  # noqa: E402  # needs the path above

import serve  # noqa: E402  # needs the path above
from screener.cli import app  # noqa: E402  # needs the path above
from screener.judging.features import FEATURES, VERSION  # noqa: E402  # needs the path above
from screener.prompts import reason_codes, reason_message  # noqa: E402  # needs the path above
from screener.service import Service  # noqa: E402  # needs the path above
from screener.settings import Settings  # noqa: E402  # needs the path above
from screener.truth import Truth  # noqa: E402  # needs the path above

NOTE = "<!-- Made by `make docs` from {source}; do not edit. -->\n"
WIDTH = 100
COMMANDS = """\
Exit codes: 0 done, 1 failed (refused, not found, damaged), 2 wrong usage or settings. Verdicts do not change the exit
code. Errors are one line on standard error. Settings come from the environment ([settings.md](settings.md)).
"""
ERRORS = """\
Every error answer is `{"error": {"code", "message", "field", "request_id"}}`; `code` is stable, `message`
is for people.
"""
FEATURES_TEXT = """\
What the judge looks at, in this order, computed by the same code in serving and training and kept with every screening.
A missing value adds nothing; so does the value under "adds nothing". Values beyond the range count as its end.
"""
PICTURES = """\
On upload the status is that of the answer. In a screening the answer is 200 and the code stands at the picture
(`images[].code`); so does `deadline`, for a picture that was not looked at in the time allowed.
"""
TYPES: Mapping[Any, str] = {Path: "path", str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}


def pages() -> dict[str, str]:
    """File name in `docs/` to its text."""
    return {
        "settings.md": settings_page(),
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "features.md": features_page(),
        "openapi.json": openapi_page(),
    }


def settings_page() -> str:
    """Every setting: name, type with its range, default, meaning."""
    rows = [
        (
            f"`SCREENER_{name.upper()}`",
            _type(field),
            f"`{field.default}`" if field.default != "" else "(empty)",
            field.description,
        )
        for name, field in Settings.model_fields.items()
    ]
    text = "The service, and every command of `listing-screener`, reads its settings from the environment.\n"
    return _page("Settings", "screener/settings.py", text, _table(("Name", "Type", "Default", "Meaning"), rows))


def cli_page() -> str:
    """The help of every command, as a terminal of 100 columns shows it."""
    runner = CliRunner()
    sections = []
    for path in _commands(cast(TyperGroup, typer.main.get_command(app)), ()):
        shown = runner.invoke(app, [*path, "--help"], prog_name="listing-screener", terminal_width=WIDTH, color=False)
        assert shown.exit_code == 0, shown.output
        sections.append(f"## {' '.join(('listing-screener', *path))}\n\n```text\n{shown.output.strip()}\n```\n")
    return _page("Command line", "screener/cli.py", COMMANDS, *sections)


def errors_page() -> str:
    """Every code that an answer, a picture or a command can carry."""
    found = error_codes.gather(ROOT)
    meanings = tomllib.loads((DOCS / "errors.toml").read_text(encoding="utf-8"))
    if wrong := set(found).symmetric_difference(meanings):
        raise SystemExit(f"docs/errors.toml and the code disagree about {sorted(wrong)}")
    rows = [(code, ", ".join(map(str, statuses)) or "–", meanings[code]) for code, statuses in sorted(found.items())]
    pictures = [row for row in rows if row[0].startswith("image_")]
    inside = [row for row in rows if row[1] == "–" and row not in pictures]
    over_http = [row for row in rows if row not in pictures and row not in inside]
    columns = ("Code", "Status", "Meaning")
    coded = [
        [(f"`{code}`", status, meaning) for code, status, meaning in part] for part in (over_http, pictures, inside)
    ]
    reasons = [(f"`{code}`", reason_message(code)) for code in reason_codes()]
    return _page(
        "Error and reason codes",
        "the raise statements and docs/errors.toml",
        ERRORS,
        "## Requests\n\n" + _table(columns, coded[0]),
        f"## Pictures\n\n{PICTURES}\n" + _table(columns, coded[1]),
        "## Start, refresh and command line\n\n" + _table(("Code", "Meaning"), [(row[0], row[2]) for row in coded[2]]),
        "## Reasons of a verdict\n\n" + _table(("Code", "Meaning"), reasons),
    )


def features_page() -> str:
    """Every feature of the judge, in order."""
    signs = {1: "never down", -1: "never up", 0: "either way"}
    rows = [
        (
            f"`{feature.name}`",
            feature.unit,
            f"{feature.low:g} to {feature.high:g}",
            signs[feature.direction],
            " or ".join([] if feature.anchor is None else [f"{feature.anchor:g}"])
            + (" missing" if feature.optional else ""),
            feature.stage,
            feature.meaning,
        )
        for feature in FEATURES
    ]
    columns = ("Feature", "Unit", "Range", "As it grows, the probability moves", "Adds nothing", "Stage", "Meaning")
    return _page(
        f"Features of the judge ({VERSION})", "screener/judging/features.py", FEATURES_TEXT, _table(columns, rows)
    )


def openapi_page() -> str:
    """The OpenAPI document, pinned so that a change of the API shows in review."""
    with tempfile.TemporaryDirectory() as folder, Truth(Settings(data_dir=Path(folder), database_url="")) as truth:
        # Routes are described without an encoder; nothing here is ever called.
        service = Mock(spec_set=[*Service.__slots__, "admit"], truth=truth)
        document = serve.application(cast(Service, service)).openapi()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    document["info"]["version"] = project["version"]  # also where the checkout was never installed
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _commands(group: TyperGroup, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name)


def _type(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    bounds = {
        name: getattr(limit, name) for limit in field.metadata for name in ("gt", "ge", "le") if hasattr(limit, name)
    }
    signs = {"gt": ">", "ge": "≥", "le": "≤"}
    return ", ".join([TYPES[annotation], *(f"{signs[name]} {value:,}" for name, value in bounds.items())])


def _page(title: str, source: str, *parts: str) -> str:
    return "\n".join((NOTE.format(source=source), f"# {title}\n", *parts))


def _table(columns: tuple[str, ...], rows: list[Any]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    for name, page in pages().items():
        (DOCS / name).write_text(page, encoding="utf-8")
        print(DOCS.name + "/" + name)
