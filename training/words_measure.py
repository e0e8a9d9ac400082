"""Measures the finding of names in words: precision and recall on written titles, and what it costs (`words_speed`).

A folder of titles holds `registry.toml` (brands with their names), `innocent.toml`, `disguised.toml` and `plain.toml`;
`tests/titles` is the project's own. Titles marked `held_out` were not looked at while tuning.
"""

import json
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console
from rich.table import Table

from screener.words import NameFinder
from training.errors import TrainingError
from training.words_speed import Speed, measure_speed

Kind = Literal["innocent", "disguised", "plain"]
_KINDS: Final[tuple[Kind, ...]] = ("innocent", "disguised", "plain")


@dataclass(frozen=True, slots=True)
class Title:
    """A written title; `brand` is the registered brand that it claims, None if it claims none."""

    kind: Kind
    language: str
    trick: str
    brand: str | None
    held_out: bool
    text: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Claims on a group of titles.

    `right` of `expected` claims were found (recall), beside `wrong` claims of a brand that the title does not claim
    (precision counts them); `titles` is the size of the group. `seen_through`: of the found disguised names, those
    that were answered as disguised or transliterated and not as plain.
    """

    titles: int
    expected: int
    right: int
    wrong: int
    seen_through: int

    @property
    def precision(self) -> float | None:
        """Right claims among all claims; None without claims."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """Right claims among the expected ones; None where none are expected."""
        return self.right / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Half:
    """Figures of the tuned or of the held-out half: all titles, then by kind, language and kind/trick."""

    all: Quality
    by_kind: dict[str, Quality]
    by_language: dict[str, Quality]
    by_trick: dict[str, Quality]


@dataclass(frozen=True, slots=True)
class Miss:
    """A tuned title answered wrong: what it claims and which brands were claimed."""

    text: str
    brand: str | None
    claimed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WordFigures:
    """Everything measured; `misses` shows the tuned half only."""

    tuned: Half
    held_out: Half
    misses: tuple[Miss, ...]
    speed: Speed | None


def measure_words(folder: Path, *, aliases: int = 0, seed: int = 0) -> WordFigures:
    """Figures of a folder of titles; with `aliases` > 0 also the cost of a registry of that many generated names.

    Raises:
        TrainingError: a file is missing or does not have the fields.
    """
    finder = load_registry(folder)
    judged = [(title, _claims(finder, title)) for title in load_titles(folder)]
    tuned = [(title, found) for title, found in judged if not title.held_out]
    held_out = [(title, found) for title, found in judged if title.held_out]
    misses = tuple(
        Miss(title.text, title.brand, tuple(sorted(found)))
        for title, found in tuned
        if set(found) != ({title.brand} if title.brand else set())
    )
    return WordFigures(_half(tuned), _half(held_out), misses, measure_speed(aliases, seed) if aliases else None)


def load_registry(folder: Path) -> NameFinder:
    """A finder of the folder's brands."""
    brands = _read(folder / "registry.toml", "brands")
    try:
        names = [(brand["id"], name) for brand in brands for name in brand["names"]]
        return NameFinder(names, {brand["id"]: frozenset(brand["categories"]) for brand in brands})
    except KeyError as error:
        raise TrainingError(f"{folder / 'registry.toml'}: a brand has no {error}") from error


def load_titles(folder: Path) -> list[Title]:
    """All titles of a folder."""
    try:
        return [
            Title(kind, row["language"], row["trick"], row.get("brand"), row["held_out"], row["text"])
            for kind in _KINDS
            for row in _read(folder / f"{kind}.toml", "titles")
        ]
    except KeyError as error:
        raise TrainingError(f"{folder}: a title has no {error}") from error


def _claims(finder: NameFinder, title: Title) -> dict[str, bool]:
    """Brands that a title claims, with whether every claim of theirs was seen to be twisted or in another script."""
    found: dict[str, bool] = {}
    for name in finder.find(title.text):
        if name.context == "claim":
            found[name.brand_id] = found.get(name.brand_id, False) or name.how != "plain"
    return found


def _half(judged: Sequence[tuple[Title, dict[str, bool]]]) -> Half:
    groups: dict[str, dict[str, list[tuple[Title, dict[str, bool]]]]] = {
        "kind": defaultdict(list), "language": defaultdict(list), "trick": defaultdict(list)
    }  # fmt: skip
    for title, found in judged:
        groups["kind"][title.kind].append((title, found))
        groups["language"][title.language].append((title, found))
        groups["trick"][f"{title.kind}/{title.trick}"].append((title, found))
    by = {name: {key: _quality(rows) for key, rows in sorted(group.items())} for name, group in groups.items()}
    return Half(_quality(judged), by["kind"], by["language"], by["trick"])


def _quality(judged: Iterable[tuple[Title, dict[str, bool]]]) -> Quality:
    titles = expected = right = wrong = seen_through = 0
    for title, found in judged:
        titles += 1
        expected += title.brand is not None
        hit = title.brand is not None and title.brand in found
        right += hit
        wrong += len(found) - hit
        seen_through += hit and title.brand is not None and found[title.brand]
    return Quality(titles, expected, right, wrong, seen_through)


def _read(path: Path, field: str) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))[field]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise TrainingError(f"{path}: {error}") from error
    return rows


def words(
    titles: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of titles and their registry.")],
    aliases: Annotated[int, typer.Option(min=0, help="Generated names to measure the cost with; 0: none.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the generated names.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Precision and recall of finding names in written titles, and what it costs with many names."""
    figures = measure_words(titles, aliases=aliases, seed=seed)
    if as_json:
        typer.echo(json.dumps(asdict(figures), indent=1, ensure_ascii=False))
    else:
        print_words(figures)


def print_words(figures: WordFigures) -> None:
    """The figures as tables."""
    console = Console()
    for title, half in (("tuned", figures.tuned), ("held out", figures.held_out)):
        table = Table("group", "titles", "claims", "right", "wrong", "precision", "recall", title=title)
        groups = {"all": half.all, **half.by_kind, **half.by_language, **half.by_trick}
        for name, quality in groups.items():
            counts = (quality.titles, quality.expected, quality.right, quality.wrong)
            shares = ("" if share is None else f"{share:.3f}" for share in (quality.precision, quality.recall))
            table.add_row(name, *map(str, counts), *shares)
        console.print(table)
    for miss in figures.misses:
        console.print(
            f"missed: {miss.text!r} claims {miss.brand}, answered {', '.join(miss.claimed) or 'none'}", markup=False
        )
    if figures.speed is not None:
        speed = figures.speed
        memory = "?" if speed.memory_mib is None else f"{speed.memory_mib:.0f}"
        console.print(f"{speed.aliases} names: built in {speed.build_s:.1f} s, {memory} MiB")
        console.print(f"a listing: {speed.listing_ms_p50:.2f} ms (p95 {speed.listing_ms_p95:.2f})")
        console.print(f"20,000 code points: {speed.long_ms:.1f} ms; a picture read: {speed.read_ms:.2f} ms")
