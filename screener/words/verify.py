"""Says whether letters that read as a name are the name: written plainly, disguised, or another word by accident."""

from itertools import pairwise
from typing import Final, Literal

from screener.words.letters import Gap, Kind
from screener.words.spelling import MIXED, Spelling, weight
from screener.words.tables import word_set

_SPACED: Final = 4
"""Fewest letters of a name set apart letter by letter; shorter ones are rows of sizes ("S M L")."""
_CUT: Final = 5
"""Fewest letters of a name that is cut in pieces by spaces."""
_SUBSTITUTED: Final = 4
"""Fewest letters of a name with digits or symbols for letters; "L33" is a model number."""
_JOINED: Final = 6
"""Fewest letters of a name of several words that is written as one."""


def reading(
    text: Spelling, start: int, stop: int, name: Spelling, *, spare: bool = False
) -> Literal["plain", "disguised"] | None:
    """How elements `start` to `stop` of a text, whose key equals the name's, write the name; None if they do not.

    `spare`: the last letter stands once more because an ending begins with it ("adidasshoes").
    """
    written = _letters(text, start, stop, name, spare)
    if written is None:
        return None
    spaced = _gaps(text, start, stop, name)
    if spaced is None:
        return None
    return "plain" if written == spaced == "plain" else "disguised"


def _letters(
    text: Spelling, start: int, stop: int, name: Spelling, spare: bool
) -> Literal["plain", "disguised"] | None:
    count = stop - start
    kinds = text.kinds[start:stop]
    runs = text.runs[start:stop]
    if spare:
        runs[-1] -= 1
    if (
        text.honest[start:stop] == name.honest
        and runs == name.runs
        and MIXED not in kinds
        and Kind.STYLED not in kinds
        and not any(text.hidden[start + 1 : stop])
    ):
        return "plain"
    length = weight(name)
    stand_ins: list[int] = []
    strokes = 0
    for offset in range(count):
        at = start + offset
        kind = kinds[offset]
        if text.honest[at] == name.honest[offset] and kind != MIXED:
            if kind == Kind.STYLED and name.kinds[offset] != Kind.STYLED:
                stand_ins.append(kind)
        elif name.kinds[offset] in (Kind.DIGIT, Kind.SYMBOL) and kind == Kind.HONEST:
            return None  # a letter where the name has a digit: another word
        elif kind == Kind.HONEST:
            if text.latin[at] == name.latin[offset]:
                return None
            strokes += 1  # l for i, or i for l
        elif kind == Kind.DIGIT and name.kinds[offset] == Kind.DIGIT:
            return None
        else:
            stand_ins.append(kind)
    hidden = any(
        text.hidden[at] and text.scripts[at] not in "at" for at in range(start + 1, stop) if text.gaps[at] < Gap.HARD
    )
    more = sum(max(runs[k] - name.runs[k], 0) for k in range(count))
    fewer = sum(max(name.runs[k] - runs[k], 0) for k in range(count))
    if not (stand_ins or hidden or strokes or more or fewer):
        return "plain"
    return "disguised" if _is_deliberate(text, start, stop, length, stand_ins, strokes, more, fewer) else None


def _is_deliberate(
    text: Spelling, start: int, stop: int, length: int, stand_ins: list[int], strokes: int, more: int, fewer: int
) -> bool:
    """Whether what differs is no accident of another word, a number or a slip of the keyboard."""
    if length < 3 or (length < _SUBSTITUTED and (more or fewer or strokes)):
        return False
    word = "".join(letter * run for letter, run in zip(text.latin[start:stop], text.runs[start:stop], strict=True))
    if (more or fewer or strokes) and not stand_ins and word in word_set("affixes", "near"):
        return False
    if fewer and (length < 5 or fewer > 1 + length // 6):
        return False
    figures = [kind for kind in stand_ins if kind in (Kind.DIGIT, Kind.SYMBOL, MIXED)]
    if figures:
        honest = stop - start - len(figures)
        if length < _SUBSTITUTED or honest < max(2, length // 3):
            return False
        if length == _SUBSTITUTED and len(figures) == 1 and text.kinds[stop - 1] == Kind.DIGIT:
            return False  # "CAT5": a model's number
    return not strokes or length >= 6 or bool(stand_ins) or _is_odd_stroke(text, start, stop)


def _is_odd_stroke(text: Spelling, start: int, stop: int) -> bool:
    """Whether an l or i stands among letters that are all rare beside it: no vowel follows or precedes "Nlke"'s l."""
    word = text.latin[start:stop]
    vowels = sum(letter in "aeiouy" for letter in word)
    return vowels * 4 <= len(word)


def _gaps(text: Spelling, start: int, stop: int, name: Spelling) -> Literal["plain", "disguised"] | None:
    """Whether the letters are set apart as the name's are, run together, or cut on purpose."""
    gaps = text.gaps[start + 1 : stop]
    if gaps == name.gaps[1:]:
        return "plain" if Gap.HARD not in gaps else _broken(gaps, name.gaps[1:])
    cuts: list[int] = []
    joined = False
    for offset, (gap, own) in enumerate(zip(gaps, name.gaps[1:], strict=True), 1):
        beside_and = "&" in (name.honest[offset], name.honest[offset - 1])
        if own >= Gap.WEAK:
            joined |= gap < Gap.WEAK and not beside_and
            if gap > Gap.SPACE > own or gap > max(own, Gap.SPACE):
                return None
        elif gap >= Gap.WEAK and not beside_and:
            cuts.append(offset)
    length = weight(name)
    if not cuts:
        acronym = all(gap >= Gap.WEAK for gap in name.gaps[1:])
        return None if joined and length < _JOINED and not acronym else "plain"
    return _cut(text, start, stop, name, cuts)


def _broken(gaps: list[int], own: list[int]) -> Literal["plain"] | None:
    return "plain" if gaps == own else None


def _cut(
    text: Spelling, start: int, stop: int, name: Spelling, cuts: list[int]
) -> Literal["plain", "disguised"] | None:
    """Whether a name with separators inside its words was cut on purpose."""
    count = stop - start
    length = weight(name)
    seps = [text.gaps[start + offset] for offset in cuts]
    all_gaps = [text.gaps[start + offset] for offset in range(1, count)]
    if Gap.LINE in all_gaps:
        return None
    every_letter = all(gap >= Gap.WEAK for gap in all_gaps)
    if every_letter:
        if length < _SPACED:
            return "plain" if length == 3 and set(seps) == {Gap.WEAK} else None
        return "disguised"
    if Gap.HARD in all_gaps:
        return None
    edges = [start, *(start + k for k in range(1, count) if text.gaps[start + k] >= Gap.WEAK), stop]
    pieces = [text.latin[a:b] for a, b in pairwise(edges)]
    unspaced = all(script in "hkyrt" for script in text.scripts[start:stop])
    if unspaced:
        return "disguised"
    if Gap.SPACE not in seps:
        return "disguised" if length >= _SPACED else None
    words = word_set("affixes", "pieces")
    if length < _CUT or all(piece in words for piece in pieces):
        return None
    if length <= 6 and any(piece in words and len(piece) > 1 for piece in pieces):
        return None
    return "plain" if len(pieces) == 2 and min(map(len, pieces)) >= 4 else "disguised"
