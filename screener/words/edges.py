"""Says whether letters in a text are a word of their own, or cling to something that leaves them a name."""

from dataclasses import dataclass
from typing import Final

from screener.words.letters import Gap
from screener.words.spelling import Spelling
from screener.words.tables import squeezed_set, word_set

_CLING: Final = 4
"""Fewest letters of a name that other words may cling to; shorter ones are looked for as whole words."""
_PLURAL: Final = 5
"""Fewest letters of a name that takes a plural without apostrophe."""


@dataclass(frozen=True, slots=True)
class Edge:
    """How a name ends towards its neighbours: where (an element), and whether what clings makes it a mention."""

    at: int
    mention: bool = False
    took_last: bool = False
    """Whether the ending begins with the name's last letter ("adidasshoes")."""


def left_edge(text: Spelling, start: int, letters: int, source: str) -> Edge | None:
    """Where the word that holds a name of this many letters begins, or None if the name is a part of another word."""
    if start == 0 or text.gaps[start]:
        return Edge(start)
    before, here = text.scripts[start - 1], text.scripts[start]
    if here in "hyt" or (before != here and {before, here} != {"l", "d"} and before not in "s"):
        return Edge(start)
    if letters < _CLING:
        return None
    if before == "d" and here == "l":
        return Edge(start) if text.kinds[start] == 0 and _digits_only(text, start) else None
    word = start - 1
    while word and not text.gaps[word]:
        word -= 1
    cling = text.honest[word:start]
    if here == "a":
        return (
            Edge(word, cling in word_set("affixes", "arabic_mention_clitics"))
            if cling in word_set("affixes", "arabic_clitics")
            else None
        )
    if here == "k":
        return None
    if _is_camel(source, text, start) and letters >= _CLING:
        return Edge(start)
    return Edge(word) if cling in squeezed_set("affixes", "claim_before") and letters + len(cling) >= 8 else None


def right_edge(text: Spelling, stop: int, letters: int, extra: bool, source: str) -> Edge | None:
    """Where the word that holds a name ends; `extra`: its last letter stands once more than the name has it."""
    count = len(text.key)
    if stop == count or text.gaps[stop]:
        ending = text.scripts[stop - 1] == "c" and text.honest[stop - 1] in word_set("affixes", "cyrillic_endings")
        return Edge(stop, took_last=extra and ending and letters >= _PLURAL)
    here, after = text.scripts[stop - 1], text.scripts[stop]
    if here in "hyt" or (after != here and {after, here} != {"l", "d"} and after not in "s"):
        return Edge(stop)
    word = stop
    while word < count and not text.gaps[word]:
        word += 1
    cling = text.honest[stop:word]
    if here == "r":
        return Edge(stop) if letters >= 2 and _starts_with_particle(cling) else None
    if letters < _CLING:
        return None
    if after == "d":
        return Edge(stop) if cling.isdecimal() else None
    if here == "k":
        return Edge(stop) if cling.startswith(tuple(word_set("affixes", "kana_after"))) else None
    if here == "c":
        endings = word_set("affixes", "cyrillic_endings")
        if extra and text.honest[stop - 1] + cling in endings:
            return Edge(word, took_last=True)
        return Edge(word) if cling in endings else None
    if here == "a":
        return None
    if _is_camel(source, text, stop):
        return Edge(stop)
    latin = text.latin[stop:word]
    tails = {latin, latin.rstrip("1234567890")}
    longer = text.latin[stop - 1] + latin
    if extra and longer in squeezed_set("affixes", "claim_after") and len(longer) > 2:
        return Edge(word, took_last=True)
    if letters < _PLURAL:
        tails -= {"s", "es", "i", "r"}
    if letters < _PLURAL and not any(len(tail) >= 4 for tail in tails):
        return None
    if tails & squeezed_set("affixes", "mention_after"):
        return Edge(word, mention=True)
    return Edge(word) if tails & squeezed_set("affixes", "claim_after") else None


def is_inflected(text: Spelling, stop: int, edge: Edge) -> bool:
    """Whether a Cyrillic stem is followed by a case ending and nothing more."""
    if edge.took_last:
        return True
    word = stop
    while word < len(text.key) and not text.gaps[word]:
        word += 1
    return text.honest[stop:word] in word_set("affixes", "cyrillic_endings")


def _digits_only(text: Spelling, start: int) -> bool:
    """Whether only digits precede within the word: "2024norvokka"."""
    at = start - 1
    while at >= 0:
        if text.scripts[at] != "d":
            return False
        if text.gaps[at]:
            return True
        at -= 1
    return True


def _is_camel(source: str, text: Spelling, at: int) -> bool:
    """Whether a capital follows a small letter here: "BuyNorvokkaShoes"."""
    position = text.starts[at]
    return source[position].isupper() and source[position - 1].islower() and text.gaps[at] == Gap.NONE


def _starts_with_particle(cling: str) -> bool:
    return any(cling == particle for particle in word_set("affixes", "hangul_particles"))
