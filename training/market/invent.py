"""Invents brands from a seed: names in several scripts, marks, lettering and colours that none of the samples has."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from screener.samples.catalogue import Colour, Palette
from screener.samples.geometry import Outline, Point, band, box, ellipse, spline, turn
from screener.samples.marks import Lettering, Stroke

# Syllables with their spelling in Cyrillic and katakana.
_SYLLABLES = (
    ("ka", "ка", "カ"), ("ro", "ро", "ロ"), ("mi", "ми", "ミ"), ("ve", "ве", "ヴェ"), ("lu", "лу", "ル"),
    ("ta", "та", "タ"), ("ne", "не", "ネ"), ("so", "со", "ソ"), ("ri", "ри", "リ"), ("zu", "зу", "ズ"),
    ("fa", "фа", "ファ"), ("go", "го", "ゴ"), ("de", "де", "デ"), ("pi", "пи", "ピ"), ("bu", "бу", "ブ"),
    ("xa", "кса", "クサ"), ("lo", "ло", "ロ"), ("ste", "сте", "ステ"), ("dri", "дри", "ドリ"),
    ("qua", "ква", "クワ"), ("bre", "бре", "ブレ"), ("tho", "то", "ソ"), ("vyn", "вин", "ヴィン"),
    ("sko", "ско", "スコ"), ("ju", "джу", "ジュ"),
)  # fmt: skip
_ENDINGS = (
    ("n", "н", "ン"), ("rra", "рра", "ッラ"), ("x", "кс", "クス"), ("lle", "лле", "レ"), ("s", "с", "ス"),
    ("ndi", "нди", "ンディ"), ("m", "м", "ム"), ("tt", "тт", "ット"), ("", "", ""),
)  # fmt: skip
_SECOND_WORDS = ("", "", "", "", " Atelier", " & Sons", " Sport", " Lab", " Paris", " Works")


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a brand recognisable; `drawn` is its wordmark in ASCII, `misspelt` a copier's spelling of it."""

    name: str
    aliases: tuple[str, ...]
    drawn: str
    misspelt: str
    lettering: Lettering
    mark: tuple[Stroke, ...]
    palettes: tuple[Palette, ...]
    pattern: str


def invent(rng: np.random.Generator, palettes: int) -> Identity:
    """A brand of its own for every state of the generator, with so many palettes."""
    latin, cyrillic, katakana = _name(rng)
    name = latin.capitalize() + str(rng.choice(_SECOND_WORDS))
    aliases = [latin.capitalize()] if " " in name else []
    aliases += [cyrillic.capitalize()] if rng.random() < 0.6 else []
    aliases += [katakana] if rng.random() < 0.5 else []
    drawn = latin.upper() if rng.random() < 0.6 else latin.capitalize()
    lettering = Lettering(
        spacing=float(rng.uniform(0.0, 0.3)),
        weight=float(rng.choice([0.0, 0.0, 0.025, 0.05, 0.07])),
        slant=float(rng.choice([0.0, 0.0, 0.18, 0.26, -0.12])),
        stretch=float(rng.uniform(0.85, 1.25)),
        frame=str(rng.choice(["", "", "underline", "box", "rules"])),
    )
    pattern = str(rng.choice(["plain", "plain", "plain", "stripes", "monogram"]))
    house = float(rng.random())
    colours = tuple(_palette(rng, house) for _ in range(palettes))
    return Identity(name, tuple(aliases), drawn, _misspelt(drawn, rng), lettering, _mark(rng), colours, pattern)


def _name(rng: np.random.Generator) -> tuple[str, str, str]:
    chosen = [_SYLLABLES[n] for n in rng.choice(len(_SYLLABLES), int(rng.integers(2, 4)), replace=False)]
    chosen.append(_ENDINGS[int(rng.integers(0, len(_ENDINGS)))])
    latin, cyrillic, katakana = ("".join(parts) for parts in zip(*chosen, strict=True))
    return latin, cyrillic, katakana


def _misspelt(drawn: str, rng: np.random.Generator) -> str:
    """One letter twice, lost, or another one: the way labels of copies are wrong."""
    place = int(rng.integers(1, len(drawn) - 1))
    letter = drawn[place]
    swap = {"O": "0", "o": "a", "A": "E", "a": "e", "I": "L", "i": "l", "E": "A", "e": "a", "V": "W", "v": "w"}
    return drawn[:place] + str(rng.choice([letter * 2, "", swap.get(letter, letter * 2)])) + drawn[place + 1 :]


def _mark(rng: np.random.Generator) -> tuple[Stroke, ...]:
    """A base shape with shapes cut out, some of them repeated around the centre."""
    strokes = [Stroke(_shape(rng, (0.5, 0.5), float(rng.uniform(0.36, 0.47))))]
    for _ in range(int(rng.integers(1, 4))):
        times = int(rng.choice([1, 1, 2, 3, 4, 5, 6]))
        reach = float(rng.uniform(0.0, 0.30)) if times > 1 else float(rng.uniform(0.0, 0.16))
        size = float(rng.uniform(0.07, 0.24)) / (1 + 0.12 * times)
        shape = _shape(rng, (0.5 + reach, 0.5), size)
        cut = bool(rng.random() < 0.75)
        start = float(rng.uniform(0, 360))
        strokes += [Stroke(turn(shape, start + 360 * step / times), cut) for step in range(times)]
    if rng.random() < 0.5:
        strokes.append(Stroke(_shape(rng, (0.5, 0.5), float(rng.uniform(0.05, 0.12)))))
    return tuple(strokes)


def _shape(rng: np.random.Generator, centre: Point, size: float) -> Outline:
    x, y = centre
    way = int(rng.integers(0, 6))
    if way == 0:
        return ellipse(x, y, size, size * float(rng.uniform(0.6, 1.0)))
    if way == 1:
        half = size * float(rng.uniform(0.5, 0.95))
        return turn(box(x - half, y - size, x + half, y + size, size * 0.2), float(rng.uniform(0, 180)), centre)
    if way == 2:
        sides = int(rng.integers(3, 8))
        return turn(tuple(ellipse(x, y, size, size, steps=sides)), float(rng.uniform(0, 360)), centre)
    if way == 3:
        petals = int(rng.integers(3, 8))
        depth = float(rng.uniform(0.35, 0.7))
        angles = np.linspace(0, 2 * np.pi, 2 * petals, endpoint=False)
        radii = [size * (1.0 if n % 2 else depth) for n in range(2 * petals)]
        star = [(x + r * np.cos(a), y + r * np.sin(a)) for a, r in zip(angles, radii, strict=True)]
        return spline(star) if rng.random() < 0.5 else tuple(star)
    if way == 4:
        arc = ellipse(x, y, size * 0.8, size * 0.8, float(rng.uniform(0, 90)), float(rng.uniform(180, 330)))
        return band(arc[::4], size * float(rng.uniform(0.2, 0.45)))
    corners = [(x + size * float(rng.uniform(-1, 1)), y + size * float(rng.uniform(-1, 1))) for _ in range(5)]
    corners.sort(key=lambda point: float(np.arctan2(point[1] - y, point[0] - x)))
    return spline(corners)


def _palette(rng: np.random.Generator, house: float) -> Palette:
    """Colours about the brand's house colour (a hue of 0 to 1), light or dark, with an ink that reads on them."""
    light = bool(rng.random() < 0.5)
    hue = (house + float(rng.normal(0, 0.06))) % 1.0
    other = (hue + float(rng.choice([0.0, 0.08, 0.5, 0.33]))) % 1.0
    base = _colour(
        hue, float(rng.uniform(0.05, 0.65)), float(rng.uniform(0.72, 0.97) if light else rng.uniform(0.12, 0.4))
    )
    second = _colour(other, float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.2, 0.75)))
    trim = _colour((other + 0.12) % 1.0, float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.4, 0.9)))
    ink = _colour(other, float(rng.uniform(0.3, 0.9)), 0.22 if light else 0.95)
    return Palette(base, second, trim, ink)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return (red, green, blue)
