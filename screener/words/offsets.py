"""Folds a text and keeps the way back to the code points of the original."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from screener.words.letters import fold, glyph_of


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text: `text[i]` comes from the code point `source[i]` of the original."""

    text: str
    source: list[int] | None
    """None if nothing moved."""

    def original(self, start: int, stop: int) -> tuple[int, int]:
        """The code points of the original that `text[start:stop]` comes from."""
        if self.source is None or start >= stop:
            return start, stop
        return self.source[start], self.source[stop - 1] + 1


def folded(text: str) -> Folded:
    """NFKC, case and accents off, invisible characters out; boxed letters and look-alike words are left to `spell`."""
    if text.isascii():
        return Folded(text.lower(), None)
    pieces: list[str] = []
    source: list[int] = []
    for at, char in enumerate(text):
        piece = _fold(char)
        pieces.append(piece)
        source += [at] * len(piece)
    return Folded("".join(pieces), source)


@lru_cache(1 << 16)
def _fold(char: str) -> str:
    if char.isspace():
        return char
    if glyph_of(char).invisible or unicodedata.category(char) in _DROPPED:
        return ""
    return "".join(c for c in fold(char) or char if unicodedata.category(c) not in _DROPPED)


_DROPPED: Final = frozenset(["Mn", "Me", "Cf", "Cc"])
"""Categories of marks and controls, which have no place of their own."""
