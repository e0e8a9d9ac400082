"""Measures the text tower: names on pictures of unseen wordmarks, titles that find references, disguised spellings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

from screener.cosines import part_cosines
from screener.preprocess import WHOLE, prepare
from training.batches import SCRIPT_SHARES
from training.embedders import BundleEmbedder, read_rgb
from training.evaluate import PROTOCOLS, read_set, reference_crops
from training.names import invent_name, letter_case, odd_spelling
from training.progress import progress
from training.protocols import rank_figures, ranks_of
from training.render import print_on, scripts_of, tint, wordmark
from training.sources import find_fonts

NAMES = 1000
"""Names among which the right one is to be found."""
PICTURES = 400
SIDE = 224
HELD_OUT_SEED = 990_017
"""Training draws its names with other seeds; there are far more names than either draws."""


@dataclass(frozen=True, slots=True, eq=False)
class Retrieval:
    """How far down the right answer is: `ranks` (n,) from 1, ties against it, among `choices`; `groups` as in
    `training.scores.Outcome`.
    """

    ranks: NDArray[np.int64]
    choices: int
    tops: tuple[int, ...]
    groups: Mapping[str, Sequence[str]]

    @property
    def figures(self) -> dict[str, float]:
        """Shares among the first so many, mean reciprocal rank, median rank."""
        return {name: float(value) for name, value in rank_figures(self.ranks, self.tops).items()}

    @property
    def breakdown(self) -> dict[str, dict[str, dict[str, float]]]:
        """The figures by way and name, with `queries`."""
        tables: dict[str, dict[str, dict[str, float]]] = {}
        for way, names in self.groups.items():
            table = tables[way] = {}
            for name in sorted(set(names)):
                ranks = self.ranks[[other == name for other in names]]
                figures = rank_figures(ranks, self.tops)
                table[name] = {"queries": len(ranks), **{key: float(value) for key, value in figures.items()}}
        return tables


def measure_titles(model: BundleEmbedder, data: Path) -> dict[str, Retrieval]:
    """Words of a product to its reference pictures (`title/product`), a brand's name to crops of it (`title/logo`)."""
    part = model.part("text")
    found = {}
    for protocol in PROTOCOLS[:2]:
        folder = data / protocol.folder
        if not (folder / "manifest.json").is_file():
            continue
        rows = read_set(folder)["reference"]
        keys = sorted({str(row[protocol.key]) for row in rows})
        pictures = model.encode_crops(reference_crops(folder, rows))
        words = model.encoder.encode_texts([key.replace("-", " ").replace("_", " ") for key in keys])
        right = np.array([[str(row[protocol.key]) == key for row in rows] for key in keys])
        ranks = ranks_of(part_cosines(part, words, pictures), right)
        found[f"title/{protocol.name}"] = Retrieval(ranks, len(rows), (1, 5), {})
    return found


def measure_spellings(model: BundleEmbedder, names: int = NAMES) -> Retrieval:
    """A disguised spelling (`training.names.odd_spelling`) to its name among Latin ones, by kind of disguise."""
    rng = np.random.default_rng(HELD_OUT_SEED + 1)
    known = _unseen_names(rng, {"latin": 1.0}, names)
    spelled = [odd_spelling(name, rng) for name in known]
    part = model.part("text")
    cosines = part_cosines(part, model.encoder.encode_texts(spelled), model.encoder.encode_texts(known))
    kinds = [disguise_of(name, other) for name, other in zip(known, spelled, strict=True)]
    return Retrieval(ranks_of(cosines, np.eye(names, dtype=bool)), names, (1, 10), {"disguise": kinds})


def disguise_of(name: str, spelling: str) -> str:
    """What was done to a name of ASCII letters, told from the two spellings."""
    plain, other = name.lower(), spelling.lower()
    if other == plain:
        return "letter case"
    if other.translate(_SEPARATORS) == plain.translate(_SEPARATORS):
        return "separators"
    if len(other) == len(plain):
        pairs = [(a, b) for a, b in zip(plain, other, strict=True) if a != b]
        if all(not b.isascii() for _, b in pairs):
            return "look-alike letters"
        if all(not b.isalpha() for _, b in pairs):
            return "digits and signs"
        return "swapped letters" if sorted(plain) == sorted(other) else "several"
    longer, shorter = sorted((plain, other), key=len, reverse=True)
    if any(longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer))):
        return "doubled letter" if longer == other else "lost letter"
    return "several"


_SEPARATORS = str.maketrans("", "", " .-_*")


def measure_wordmarks(
    model: BundleEmbedder, fonts: Path, data: Path | None = None, *, names: int = NAMES, pictures: int = PICTURES
) -> Retrieval | None:
    """A picture of an unseen wordmark to its name among `names`, by layout (close, in a scene) and by script.

    Marks are drawn with the fonts below `fonts` (the twelfth that training leaves out, if they are the training fonts,
    see `held_out_fonts`), on the `none` photos of the product set, which show no marks, or on plain paper. None if
    there is no usable font.
    """
    faces = {script: held_out_fonts(files) for script, files in _by_script(fonts).items()}
    shares = {script: share for script, share in SCRIPT_SHARES.items() if script in faces}
    if not shares:
        return None
    rng = np.random.default_rng(HELD_OUT_SEED)
    known, scripts = _unseen_with_scripts(rng, shares, names)
    scenes = _scenes(data, rng)
    squares, layouts = [], []
    for number in progress(range(min(pictures, names)), "wordmarks"):
        files = faces[scripts[number]]
        font = ImageFont.truetype(str(files[int(rng.integers(0, len(files)))]), 32)
        mark = tint(wordmark(letter_case(known[number], rng), font, rng), rng)
        layouts.append(("close", "in a scene")[number % 2])
        scene = scenes[int(rng.integers(0, len(scenes)))]
        image = print_on(mark, scene, rng, SIDE, 1.0 - number % 2)
        squares.append(prepare(np.asarray(image), WHOLE, model.encoder.bundle.preprocess))
    seen = np.concatenate(
        [model.encoder.encode_pixels(np.stack(squares[n : n + 32])) for n in range(0, len(squares), 32)]
    )
    cosines = part_cosines(model.part("text"), seen, model.encoder.encode_texts(known))
    right = np.eye(len(seen), names, dtype=bool)
    groups = {"layout": layouts, "script": scripts[: len(seen)]}
    return Retrieval(ranks_of(cosines, right), names, (1, 10), groups)


def held_out_fonts(files: Sequence[Path]) -> Sequence[Path]:
    """Every twelfth file, by the rule of `training.batches`; all of them where there are fewer than twelve."""
    return files[11::12] or files


def _by_script(fonts: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for font in progress(find_fonts(fonts), "fonts"):
        for script in scripts_of(font):
            found.setdefault(script, []).append(font)
    return found


def _unseen_names(rng: np.random.Generator, shares: Mapping[str, float], count: int) -> list[str]:
    return _unseen_with_scripts(rng, shares, count)[0]


def _unseen_with_scripts(
    rng: np.random.Generator, shares: Mapping[str, float], count: int
) -> tuple[list[str], list[str]]:
    """Names of which no two are spelled alike, and the script of each."""
    weights = np.array(list(shares.values()))
    names: dict[str, str] = {}
    while len(names) < count:
        script = str(rng.choice(list(shares), p=weights / weights.sum()))
        names.setdefault(invent_name(rng, script).lower(), script)
    return list(names), list(names.values())


def _scenes(data: Path | None, rng: np.random.Generator, count: int = 48) -> list[Image.Image]:
    folder = data / PROTOCOLS[0].folder if data is not None else None
    files = (
        [folder / row["image"] for row in read_set(folder)["none"]]
        if folder is not None and (folder / "manifest.json").is_file()
        else []
    )
    if not files:
        return [Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in rng.integers(0, 256, 3))) for _ in range(count)]
    return [Image.fromarray(read_rgb(files[int(n)])) for n in rng.choice(len(files), min(count, len(files)), False)]
