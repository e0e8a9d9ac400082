"""Spells a text out: the letters it reads as, squeezed and merged to one key, with the way back to the original."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.words.letters import GLYPHS, SYMBOLS, UNSPACED, Gap, Glyph, Kind, fold, glyph_of

MIXED: Final = 9
"""Kind of a run of equal letters that are written in more than one way ("gu\u0441ci")."""
_HALF_WIDTH_MARKS: Final = re.compile("[\uff66-\uff9d][\uff9e\uff9f]")
_OWN_ALPHABET: Final = np.zeros(256, np.bool_)
"""Scripts, by their code, in which no letter is read as a look-alike of a Latin one."""
_OWN_ALPHABET[[ord(code) for code in (*UNSPACED, *"rlds")]] = True
_PLAIN_SCRIPT: Final = np.zeros(256, np.bool_)
_PLAIN_SCRIPT[[ord(code) for code in "lds"]] = True


@dataclass(frozen=True, slots=True)
class Spelling:
    """A text as letters; every list is of length `len(key)`.

    `key` is what automata and hashes see: separators and invisibles out, stand-ins read as letters, runs of one letter
    within a word once, l and i merged. `honest` has the letters as written (folded), `latin` as read before merging,
    `kinds` how they are written (`Kind` or `MIXED`), `scripts` their script, `runs` how often each stands in a row,
    `gaps` what stands before it (`Gap`), `hidden` that something invisible does, `starts` and `stops` the code points
    in the original.
    """

    key: str
    honest: str
    latin: str
    scripts: str
    kinds: list[int]
    runs: list[int]
    gaps: list[int]
    hidden: list[bool]
    starts: list[int]
    stops: list[int]


@dataclass(slots=True)
class Raw:
    """Letters before squeezing, as arrays of one length; `Spelling` has the meanings."""

    honest: NDArray[np.uint32]
    latin: NDArray[np.uint32]
    scripts: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    gaps: NDArray[np.uint8]
    hidden: NDArray[np.bool_]
    starts: NDArray[np.intp]
    stops: NDArray[np.intp]


def weight(name: Spelling) -> int:
    """Letters of a name, a syllable sign (Han, kana, Hangul) for two."""
    return sum(run * (2 if script in "hkyr" else 1) for run, script in zip(name.runs, name.scripts, strict=True))


def spell(text: str) -> Spelling:
    """The whole text spelled out."""
    return squeeze(letters_of(text))


def letters_of(text: str) -> Raw:
    """The letters of a text before runs are squeezed; a word that mixes alphabets is read as Latin if it can be."""
    source: NDArray[np.intp] | None = None
    if not text.isascii():
        text, source = _widened(text)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    GLYPHS.meet(codes)
    if source is None:
        source = np.arange(len(codes))
    letter = GLYPHS.letter[codes]
    for pos in np.flatnonzero(GLYPHS.symbol[codes]).tolist():
        letter[pos] = _is_letter(text, pos)
    at = np.flatnonzero(letter)
    if not len(at):
        return _NOTHING
    chosen = codes[at]
    separators = np.where(letter, 0, GLYPHS.gap[codes])
    gaps = np.empty(len(at), np.uint8)
    gaps[0] = Gap.LINE
    gaps[1:] = np.maximum.reduceat(separators, at)[:-1]
    hidden = np.zeros(len(at), np.bool_)
    unseen = GLYPHS.invisible[codes]
    if unseen.any():
        hidden[1:] = np.logical_or.reduceat(unseen, at)[:-1]
    raw = Raw(
        honest=GLYPHS.honest[chosen],
        latin=GLYPHS.latin[chosen],
        scripts=GLYPHS.script[chosen],
        kinds=GLYPHS.kind[chosen],
        gaps=gaps,
        hidden=hidden,
        starts=source[at],
        stops=source[at] + 1,
    )
    exotic = ~_PLAIN_SCRIPT[raw.scripts]
    if exotic.any():
        _settle(raw, exotic)
    return raw


def spell_name(name: str) -> Spelling:
    """`spell` for a short text, without the set-up of arrays: names are spelled one at a time, when they are met."""
    found: list[tuple[Glyph, int, bool, int]] = []
    gap, hidden = int(Gap.LINE), False
    for at, char in enumerate(name):
        glyph = glyph_of(char)
        if glyph.symbol or len(glyph.letters) > 1 or _HALF_WIDTH_MARKS.match(name, at):
            return spell(name)
        if glyph.letters:
            found.append((glyph, gap, hidden and len(found) > 0, at))
            gap, hidden = 0, False
        else:
            hidden |= glyph.invisible
            gap = max(gap, int(glyph.gap))
    scripts = {glyph.script for glyph, *_ in found}
    if len(scripts - {"l", "d"}) and len(scripts) > 1:
        return spell(name)
    alone = [gap > 0 and (at + 1 == len(found) or found[at + 1][1] > 0) for at, (_, gap, *_) in enumerate(found)]
    honest: list[str] = []
    latin: list[str] = []
    codes: list[str] = []
    out = Spelling("", "", "", "", [], [], [], [], [], [])
    for at, (glyph, gap, hidden, position) in enumerate(found):
        reading = glyph.latin if glyph.script in "ld" else glyph.letters
        if at and reading == latin[-1] and (gap == 0 or (alone[at] and alone[at - 1] and gap < Gap.HARD)):
            out.runs[-1] += 1
            out.stops[-1] = position + 1
            if found[at - 1][0].letters != glyph.letters:
                out.kinds[-1] = MIXED
            continue
        honest.append(glyph.letters)
        latin.append(reading)
        codes.append(glyph.script)
        out.kinds.append(int(glyph.kind))
        out.runs.append(1)
        out.gaps.append(gap)
        out.hidden.append(hidden)
        out.starts.append(position)
        out.stops.append(position + 1)
    read = "".join(latin)
    key = read.replace("l", "i").replace("1", "i")
    lists = (out.kinds, out.runs, out.gaps, out.hidden, out.starts, out.stops)
    return Spelling(key, "".join(honest), read, "".join(codes), *lists)


def squeeze(raw: Raw) -> Spelling:
    """Runs of one letter within a word (or of letters set apart singly) become one element."""
    if not len(raw.gaps):
        return Spelling("", "", "", "", [], [], [], [], [], [])
    single = singles(raw.gaps)
    again = np.zeros(len(single), np.bool_)
    near = (raw.gaps[1:] == 0) | (single[1:] & single[:-1] & (raw.gaps[1:] < Gap.HARD))
    again[1:] = (raw.latin[1:] == raw.latin[:-1]) & near
    first = np.flatnonzero(~again)
    last = np.append(first[1:], len(again)) - 1
    kinds = raw.kinds[first]
    mixed = np.zeros(len(again), np.bool_)
    mixed[1:] = again[1:] & (raw.honest[1:] != raw.honest[:-1])
    if mixed.any():
        kinds = np.where(np.logical_or.reduceat(mixed, first), MIXED, kinds)
    latin = raw.latin[first]
    text = _text(latin)
    return Spelling(
        key=text.replace("l", "i").replace("1", "i"),
        honest=_text(raw.honest[first]),
        latin=text,
        scripts=raw.scripts[first].tobytes().decode("ascii"),
        kinds=kinds.tolist(),
        runs=(last - first + 1).tolist(),
        gaps=raw.gaps[first].tolist(),
        hidden=raw.hidden[first].tolist(),
        starts=raw.starts[first].tolist(),
        stops=raw.stops[last].tolist(),
    )


def singles(gaps: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each letter stands alone."""
    apart = gaps > 0
    alone = apart.copy()
    alone[:-1] &= apart[1:]
    return alone


def keys_of(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Key and scripts of every name, spelled out together; the names must have no line breaks."""
    spelling = spell("\n".join(names))
    stops = np.cumsum([len(name) + 1 for name in names])
    edges = [0, *np.searchsorted(spelling.starts, stops).tolist()]
    for start, stop in pairwise(edges):
        yield spelling.key[start:stop], spelling.scripts[start:stop]


def _text(codes: NDArray[np.uint32]) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le")


_NOTHING: Final = Raw(
    honest=np.zeros(0, np.uint32),
    latin=np.zeros(0, np.uint32),
    scripts=np.zeros(0, np.uint8),
    kinds=np.zeros(0, np.uint8),
    gaps=np.zeros(0, np.uint8),
    hidden=np.zeros(0, np.bool_),
    starts=np.zeros(0, np.intp),
    stops=np.zeros(0, np.intp),
)


def _widened(text: str) -> tuple[str, NDArray[np.intp]]:
    """The text with letters that read as several spelled out, and for every code point the one it comes from."""
    pieces: list[str] = []
    source: list[int] = []
    pairs = {found.start() for found in _HALF_WIDTH_MARKS.finditer(text)}
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    GLYPHS.meet(codes)
    if not pairs and not GLYPHS.longer[codes].any():
        return text, np.arange(len(codes))
    done = 0
    for pos in sorted({*pairs, *np.flatnonzero(GLYPHS.longer[codes]).tolist()}):
        if pos < done:
            continue
        pieces.append(text[done:pos])
        source += range(done, pos)
        done = pos + 2 if pos in pairs else pos + 1
        pieces.append(fold(text[pos:done]) if pos in pairs else glyph_of(text[pos]).letters)
        source += [pos] * len(pieces[-1])
    pieces.append(text[done:])
    source += range(done, len(text))
    widened = "".join(pieces)
    GLYPHS.meet(np.frombuffer(widened.encode("utf-32-le", "surrogatepass"), "<u4"))
    return widened, np.array(source, np.intp)


def _is_letter(text: str, pos: int) -> bool:
    """Whether a symbol stands for a letter: among letters, or a dollar sign at a word's end; never at a price."""
    symbol = text[pos]
    before = text[pos - 1] if pos else " "
    after = text[pos + 1] if pos + 1 < len(text) else " "
    inside = before.isalnum() or before in SYMBOLS
    if after.isalpha() or (after in SYMBOLS and inside):
        return inside or (symbol in "$€" and before.isspace() and not text[pos + 1 : pos + 3].isupper())
    if after.isdigit():
        return before.isalpha() and symbol in "@!|"
    word = text[max(0, pos - 3) : pos].rstrip("$")
    return symbol in "$€" and len(word) >= 2 and word.isalpha() and (len(word) == 3 or not word.isupper())


def _settle(raw: Raw, exotic: NDArray[np.bool_]) -> None:
    """Reads letters of other alphabets as themselves, and as Latin ones in words that mix them with Latin letters."""
    own = _OWN_ALPHABET[raw.scripts]
    if (exotic & own).sum() == exotic.sum() or not (raw.scripts == ord("l")).any():
        raw.latin[exotic] = raw.honest[exotic]
        return
    single = singles(raw.gaps)
    starts = raw.gaps > 0
    starts[1:] &= ~(single[1:] & single[:-1] & (raw.gaps[1:] < Gap.LINE))
    word = np.cumsum(starts) - 1
    count = int(word[-1]) + 1
    has_latin = np.bincount(word, raw.scripts == ord("l"), count) > 0
    unread = np.bincount(word, (raw.latin == 0) | (exotic & own), count) > 0
    alien = exotic & (has_latin & ~unread)[word]
    raw.kinds[alien] = Kind.ALIEN
    kept = exotic & ~alien
    raw.latin[kept] = raw.honest[kept]
