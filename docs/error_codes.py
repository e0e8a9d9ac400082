"""Gathers every error code that can occur: from calls that give one, and from errors raised with their class's own."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from brands.errors import RegistryError
from index.errors import IndexRefused
from screener import edge
from screener.errors import BundleRefused, InputRefused, JudgeRefused, PolicyRefused, ReleaseRefused, ScreenerError

PACKAGES = ("brands", "index", "screener")
NEVER_HTTP = (IndexRefused, BundleRefused, JudgeRefused, PolicyRefused, ReleaseRefused)
"""Raised when a program starts, refreshes or checks, never while a request is answered."""

Kind = type[ScreenerError | RegistryError | IndexRefused]


def gather(root: Path) -> dict[str, tuple[int, ...]]:
    """Code to the HTTP statuses it comes with, none for a code that never leaves the machine."""
    kinds = {kind.__name__: kind for base in (ScreenerError, RegistryError, IndexRefused) for kind in _tree(base)}
    kinds["validation_refusal"] = InputRefused
    found: defaultdict[str, set[int]] = defaultdict(set)
    for status, code in edge._HTTP_CODES.items():
        found[code].add(status)
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for code, statuses in _codes(node, kinds):
                    found[code] |= statuses
    return {code: tuple(sorted(statuses)) for code, statuses in found.items()}


def _tree(kind: Kind) -> Iterator[Kind]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def _codes(node: ast.AST, kinds: dict[str, Kind]) -> Iterator[tuple[str, set[int]]]:
    """The codes, each with its statuses, that a raise statement or a call brings in."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id in kinds:
        kind = kinds[node.exc.id]
        yield kind.code, _statuses(kind)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return
    match node.func.id, node.args:
        case "_Refused", [_, ast.Constant(value=str(code)), *_]:  # the importer's own error: path, code, message
            yield code, set()
        case "_answer", [_, _, ast.Constant(value=int(status)), ast.Constant(value=str(code)), *_]:
            yield code, {status}
        case name, _ if name in kinds:
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            statuses = _statuses(kinds[name])
            if isinstance(status_node := given.get("status"), ast.Constant) and isinstance(status_node.value, int):
                statuses = {status_node.value}
            if "code" not in given:
                yield kinds[name].code, statuses
            elif isinstance(code_node := given["code"], ast.Constant) and isinstance(code_node.value, str):
                yield code_node.value, statuses


def _statuses(kind: Kind) -> set[int]:
    return set() if issubclass(kind, NEVER_HTTP) else {int(kind.status)}
