"""Second readings of a text's few odd words: letters built from several signs, masked letters, borrowed alphabets."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from screener.words.letters import DIGITS, glyph_of

_BUILT: Final = {
    "|\\|": "n", "|\\/|": "m", "|_|": "u", "|-|": "h", "\\/\\/": "w", "\\/": "v", "/\\": "a", "|<": "k", "|{": "k",
    "()": "o", "[]": "o", "|)": "d", "vv": "w", "rn": "m", "cl": "d",
}  # fmt: skip
"""Letters put together from several; the last ones print alike in most typefaces ("Svvarovski", "Arnazon")."""
_PIECE: Final = re.compile("|".join([*(re.escape(s) for s in sorted(_BUILT, key=len, reverse=True)), "VV"]))
_ODD: Final = re.compile(_PIECE.pattern + r"|(?<!\S)@\w|\w{3}!(?!\S)")
_CHUNK: Final = re.compile(r"\S+")
_RUN: Final = re.compile(r"(.)\1+")
_MERGED: Final = str.maketrans({"l": "i", **DIGITS, "1": "i"})
_MIXABLE: Final = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f]")
_MASK: Final = "*#•●∗✱✶⁎☆★♥❤♡○◯◉⭕⚪⚫🔴🟠🟢🔵🍎🍊✖✕×░█▒■□_?¿…"
_MASKED: Final = re.compile(
    rf"(?<![^\s\"'(\[])(?P<before>[^\W\d_]+)(?P<mask>[{re.escape(_MASK)}]{{1,3}}\ufe0f?)(?P<after>[^\W\d_]+)(?![^\W_])"
)
_NEIGHBOURS: Final = 3
"""Words around a changed one that are read with it, for names of several words."""
_REACH: Final = 60
"""Code points in which those words are looked for."""
_MOST_CHUNKS: Final = 64
"""Changed words of a text that are looked at; nobody reads further."""
TWINS: Final = {
    "a": "а", "b": "в", "c": "с", "e": "е", "h": "н", "i": "і", "k": "к", "m": "м", "o": "о", "p": "р", "t": "т",
    "x": "х", "y": "у",
}  # fmt: skip
"""Cyrillic letters that Latin ones stand in for inside a Cyrillic word."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Words read another way: `source[i]` is the original code point of `text[i]`, `changed` are the new letters.

    `strong` are those that cannot be an ordinary word's ("|\\|ike"), unlike "rn" or a Cyrillic word.
    """

    text: str
    source: list[int]
    changed: frozenset[int]
    strong: frozenset[int]


@dataclass(frozen=True, slots=True)
class Masked:
    """A word with one letter masked: the letters around, and where the whole stands."""

    before: str
    after: str
    start: int
    stop: int


def rewritings(text: str, is_key: Callable[[str], bool]) -> Iterator[Rewritten]:
    """Every odd word with its neighbours, read another way; words that only print alike if `is_key` knows the key."""
    odd: list[tuple[int, int]] = []
    for found in _ODD.finditer(text):
        if not odd or found.start() >= odd[-1][1]:
            start = max(text.rfind(blank, 0, found.start()) for blank in " \n\t\u3000") + 1
            whole = _CHUNK.match(text, start)
            if whole:
                odd.append(whole.span())
    for start, stop in odd[:_MOST_CHUNKS]:
        new, offsets, strong = _built(text[start:stop])
        alone = not strong and "vv" not in text[start:stop].lower()  # "rn" and "cl" are in every other sentence
        if alone and not is_key(_key_of(new)):
            continue
        yield _around(text, start, stop, new, offsets, strong, 0 if alone else _NEIGHBOURS)
    if _MIXABLE.search(text):
        mostly_latin = len(_LATIN.findall(text)) >= 2 * len(_MIXABLE.findall(text))
        for found in _CHUNK.finditer(text):
            borrowed = _borrowed(found.group(), mostly_latin) if _MIXABLE.search(found.group()) else None
            if borrowed is not None:
                yield _around(text, found.start(), found.end(), borrowed, list(range(len(borrowed))), True, _NEIGHBOURS)


def _key_of(word: str) -> str:
    """The key of a single word, near enough to ask whether there is a name of it."""
    letters = "".join(filter(str.isalnum, word.lower()))
    return _RUN.sub(r"\1", letters).translate(_MERGED)


def joined(pieces: Iterable[Rewritten]) -> Rewritten | None:
    """Several pieces as one text, a line each; None if there are none."""
    texts: list[str] = []
    source: list[int] = []
    changed: set[int] = set()
    strong: set[int] = set()
    for piece in pieces:
        shift = len(source)
        texts.append(piece.text)
        source += [*piece.source, piece.source[-1]]
        changed |= {shift + at for at in piece.changed}
        strong |= {shift + at for at in piece.strong}
    return Rewritten("\n".join(texts), source, frozenset(changed), frozenset(strong)) if texts else None


def masked_words(text: str) -> list[Masked]:
    """Words with one letter masked by a star or the like."""
    found: list[Masked] = []
    for mask in itertools.islice(_MASKED.finditer(text), _MOST_CHUNKS):
        before = [word.span() for word in _CHUNK.finditer(text, max(0, mask.start() - 40), mask.start())]
        after = [word.span() for word in _CHUNK.finditer(text, mask.end(), mask.end() + 40)]
        starts = (mask.start(), *(first for first, _ in before[-2:]))
        stops = (mask.end(), *(last for _, last in after[:1]))
        found += [
            Masked(text[start : mask.end("before")], text[mask.start("after") : stop], start, stop)
            for start in starts
            for stop in stops
        ]
    return found


def _built(chunk: str) -> tuple[str, list[int], bool]:
    """A word with built letters put together; source offsets; whether any sign is no letter."""
    out: list[str] = []
    source: list[int] = []
    strong = False
    at = 0
    if chunk[0] == "@":
        out, source, at = ["a"], [0], 1
    while at < len(chunk):
        found = _PIECE.match(chunk, at)
        if found:
            out.append(_BUILT[found.group().lower()])
            strong |= not found.group().isalpha()
        else:
            out.append("i" if chunk[at] == "!" and at + 1 == len(chunk) else chunk[at])
        source.append(at)
        at = found.end() if found else at + 1
    return "".join(out), source, strong


def _around(text: str, start: int, stop: int, new: str, offsets: list[int], strong: bool, neighbours: int) -> Rewritten:
    """The new word between its neighbours of the same line."""
    left = text.rfind("\n", 0, start) + 1
    right = text.find("\n", stop)
    line_end = len(text) if right < 0 else right
    first, last = start, stop
    if neighbours:
        before = [found.start() for found in _CHUNK.finditer(text, max(left, start - _REACH), start)][-neighbours:]
        after = [found.end() for found in _CHUNK.finditer(text, stop, min(line_end, stop + _REACH))][:neighbours]
        first, last = min(before, default=start), max(after, default=stop)
    source = [*range(first, start), *(start + offset for offset in offsets), *range(stop, last)]
    shift = start - first
    old = text[start:stop]
    changed = frozenset(
        shift + index for index, offset in enumerate(offsets) if index >= len(old) or new[index] != old[offset]
    )
    return Rewritten(text[first:start] + new + text[stop:last], source, changed, changed if strong else frozenset())


def _borrowed(chunk: str, mostly_latin: bool) -> str | None:
    """A word in the other alphabet that it can be read in: wholly look-alikes, or Cyrillic with a few Latin letters."""
    letters = [char for char in chunk if char.isalpha()]
    latin = [char for char in letters if char.isascii()]
    if len(letters) < 3:
        return None
    if not latin:
        if not mostly_latin:
            return None
        readings = [glyph_of(char).latin for char in letters]
        if not all(len(reading) == 1 for reading in readings):
            return None
        return "".join(glyph_of(char).latin if char.isalpha() else char for char in chunk)
    if len(latin) * 2 <= len(letters) and all(char.lower() in TWINS for char in latin):
        return "".join(TWINS.get(char.lower(), char) for char in chunk)
    return None
