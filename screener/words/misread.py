"""Finds names with one letter that OCR misread, lost or added: an index of names with each letter left out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from screener.words.letters import Gap
from screener.words.registered import Registered, shortened, spelled
from screener.words.spelling import Spelling
from screener.words.tables import squeezed_set

_FEWEST: Final = 6
"""Letters of a name from which one may be wrong."""
_SURE: Final = 8
"""Letters from which any letter may be wrong, not only one that OCR takes for another."""
_LONGEST: Final = 4
"""Words that a name may be read as."""
_ALIKE: Final = (
    "oqcdgu", "ijltfr1", "sz", "bhk", "bpr", "eco", "ecf", "mnr", "nhu", "uvy", "vwy", "agq", "gqy", "pf", "xk",
    "aeo", "kr", "bds", "zst",
)  # fmt: skip
"""Letters that readers take for each other; keys have l as i and digits as letters already."""


@dataclass(frozen=True, slots=True)
class Misread:
    """An entry read with one wrong letter at `text[start:stop]`."""

    entry: int
    start: int
    stop: int


def misread(text: Spelling, registered: Registered) -> Iterator[Misread]:
    """Names one letter away from a word of the text or from up to four words run together."""
    windows = [(start, stop) for start, stop in word_windows(text, _LONGEST) if _FEWEST - 2 <= stop - start <= 40]
    asks: list[str] = []
    places: list[tuple[int, int]] = []
    for start, stop in windows:
        key = text.key[start:stop]
        for short in (key, *shortened(key)):
            asks.append(short)
            places.append((start, stop))
    seen: set[tuple[int, int, int]] = set()
    for index, number in registered.left_out.lookup(asks):
        start, stop = places[index]
        if (number, start, stop) in seen:
            continue
        seen.add((number, start, stop))
        name = spelled(registered.entries[number].spelling)
        key = text.key[start:stop]
        if key != name.key and sum(name.runs) >= _FEWEST and _is_slip(key, name.key):
            yield Misread(number, text.starts[start], text.stops[stop - 1])


def word_windows(text: Spelling, most: int) -> Iterator[tuple[int, int]]:
    """Elements of one to `most` words in a row, everyday words alone left out."""
    starts = [at for at, gap in enumerate(text.gaps) if gap > Gap.APOSTROPHE]
    ends = [*starts[1:], len(text.key)]
    everyday = squeezed_set("affixes", "near") | squeezed_set("affixes", "pieces")
    for first, start in enumerate(starts):
        for last in range(first, min(first + most, len(starts))):
            if last > first or text.latin[start : ends[last]] not in everyday:
                yield start, ends[last]


def _is_slip(read: str, name: str) -> bool:
    """Whether two keys differ by one letter: lost, added, or taken for one that looks like it."""
    if len(read) == len(name):
        pairs = [(a, b) for a, b in zip(read, name, strict=True) if a != b]
        if len(pairs) != 1:
            return False
        return len(name) >= _SURE or any(pairs[0][0] in group and pairs[0][1] in group for group in _ALIKE)
    long, short = (read, name) if len(read) > len(name) else (name, read)
    if len(long) != len(short) + 1 or (read == name + "s" or name == read + "s"):
        return False
    return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))
