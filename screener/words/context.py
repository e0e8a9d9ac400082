"""Tells a claim from a mention and from an everyday word, by the words around a name.

Data: `context.toml` (words before and after names, by what they say) and `everyday.toml` (everyday words that are also
names, with their everyday company and the brand's own goods); an operator adds to both without touching code.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple

from screener.words.found import Context, How
from screener.words.letters import fold
from screener.words.tables import table, word_set

_WINDOW: Final = 90
"""Code points on each side that are looked at."""
_TOKEN: Final = re.compile(
    r"(?P<word>[^\W_]+(?:[’'][^\W\d_]+)?)|(?P<list>[,/+&、，]|(?:\s-\s))|(?P<stop>[.;!?|\n()\[\]{}:：。！？【】「」『』（）—–•])"
)
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_TRADEMARK: Final = re.compile(r"\s?[®™©℠]|\s?\((?:r|tm|c)\)", re.I)
_LABEL: Final = re.compile(
    r"(?:brand|marke|marque|marca|бренд|марка|фирма|производитель|品牌|牌子|ブランド|メーカー|ماركة|الماركة|العلامة|hersteller|fabricant|manufacturer|maker|label)\s*[:：=-]\s*$",
    re.I,
)
_NEAR: Final = 3
"""Words on each side that make an everyday word one."""
_FILL: Final = 3
_LISTED: Final = 8
"""Words of a list that are walked over to what stands before it."""


@dataclass(frozen=True, slots=True)
class _Everyday:
    company: frozenset[str]
    goods: frozenset[str]
    rare: bool


class _Word(NamedTuple):
    text: str
    raw: str
    start: int
    kind: str


def context_of(
    text: str,
    start: int,
    stop: int,
    name: str,
    how: How,
    sold: frozenset[str],
    category: str | None,
    names: Sequence[tuple[int, int]],
) -> Context:
    """What `text[start:stop]`, which reads as `name`, says of the listing.

    `sold` and `category` are what the brand sells and what the listing is; `names` are all places of names in the text.
    """
    before = _words(text[max(0, start - _WINDOW) : start], max(0, start - _WINDOW))
    after = _words(text[stop : stop + _WINDOW], stop)
    trademark = _TRADEMARK.match(text, stop) is not None
    if not trademark and _is_mention(text, start, stop, before, after, names):
        return "mention"
    everyday = _everyday().get(_fold(text[start:stop]))
    if everyday is None and how == "plain":
        everyday = _everyday().get(_fold(name))
    if everyday is None or how == "disguised" or trademark:
        return "claim"
    if text[:start].strip(" #@") == "" and text[stop:].strip() == "":
        return "claim"
    if _LABEL.search(text, max(0, start - 30), start) or _is_introduced(before, after):
        return "claim"
    return "claim" if _speaks_for(text, start, stop, before, after, everyday, sold, category) else "common"


def is_everyday(name: str) -> bool:
    """Whether a name is an everyday word more often than the name."""
    entry = _everyday().get(fold(name))
    return entry is not None and not entry.rare


@cache
def _everyday() -> dict[str, _Everyday]:
    data = table("everyday")
    made: dict[str, _Everyday] = {}
    for word, entry in data["word"].items():
        company = {fold(item) for group in entry.get("classes", ()) for item in data["class"][group]}
        company |= {fold(item) for item in entry.get("company", ())}
        goods = frozenset(fold(item) for item in entry.get("goods", ()))
        made[fold(word)] = _Everyday(frozenset(company - goods), goods, entry.get("rare", False))
    return made


def _words(part: str, offset: int) -> list[_Word]:
    return [
        _Word(_fold(m.group()) if m.lastgroup == "word" else m.group(), m.group(), offset + m.start(), str(m.lastgroup))
        for m in _TOKEN.finditer(part)
    ]


def _is_mention(
    text: str, start: int, stop: int, before: list[_Word], after: list[_Word], names: Sequence[tuple[int, int]]
) -> bool:
    return _is_set_beside(before, names) or _is_followed_up(text, stop, after) or _is_clung_to(text, start)


def _is_set_beside(before: list[_Word], names: Sequence[tuple[int, int]]) -> bool:
    """Whether a word like "for" stands before the name, directly or before a list of names."""
    cues = word_set("context", "mention_before")
    fill = word_set("context", "fill") | word_set("context", "devices")
    at = len(before) - 1
    filled = listed = 0
    in_list = False
    while at >= 0:
        word = before[at]
        if word.kind == "stop":
            return word.raw == ":" and at > 0 and _ends_with(before, at - 1, cues) and listed == 0
        if word.kind == "list" or word.text in word_set("context", "list_words"):
            if word.raw.strip() == "-":
                return False
            in_list = True
            at -= 1
            continue
        if _ends_with(before, at, cues):
            return True
        is_name = any(begin <= word.start < end for begin, end in names)
        if (word.text in fill and filled < _FILL) or is_name:
            filled += not is_name
            in_list |= is_name
        elif word.text[0] == "ل" and word.text[1:] in word_set("context", "devices"):
            return True  # "for" is a letter in Arabic
        elif (in_list or listed) and listed < _LISTED and word.text not in word_set("context", "audience"):
            if not (is_name or word.raw[0].isupper() or any(c.isdigit() for c in word.raw)):
                return False
            listed += 1
            in_list = in_list or is_name
        else:
            return False
        at -= 1
    return False


def _ends_with(before: list[_Word], at: int, cues: frozenset[str]) -> bool:
    """Whether the words up to `at` end with one of the phrases."""
    phrase = ""
    for word in reversed(before[max(0, at - 4) : at + 1]):
        if word.kind != "word":
            return False
        phrase = f"{word.text} {phrase}".strip()
        if phrase in cues:
            return True
    return False


def _is_followed_up(text: str, stop: int, after: list[_Word]) -> bool:
    """Whether a word like "style" or "compatible" stands right after the name."""
    tail = _fold(text[stop : stop + 14]).lstrip(" -–—_'\"’”」』)")
    exceptions = word_set("context", "mention_after_but_not")
    if tail.startswith(tuple(exceptions)):
        return False
    if tail.startswith(_unspaced("mention_after")) or text.startswith(("-free", "-look", "-like"), stop):
        return True
    rest = [word.text for word in after[:3] if word.kind == "word"]
    if not rest or after[0].kind != "word":
        return False
    cues = word_set("context", "mention_after")
    return (rest[0] in cues or " ".join(rest[:2]) in cues) and " ".join(rest) not in exceptions


def _is_clung_to(text: str, start: int) -> bool:
    """Chinese and Japanese phrases stand before a name without a space."""
    return _fold(text[max(0, start - 6) : start]).rstrip(" :：").endswith(_unspaced("mention_before"))


@cache
def _unspaced(field: str) -> tuple[str, ...]:
    """The cues of a list that are written without spaces."""
    return tuple(cue for cue in word_set("context", field) if _CJK.match(cue))


@lru_cache(1 << 13)
def _fold(part: str) -> str:
    return part.lower() if part.isascii() else fold(part)


def _is_introduced(before: list[_Word], after: list[_Word]) -> bool:
    """Whether a word like "brand" or "genuine" stands right before or after the name."""
    if (
        before
        and before[-1].kind == "word"
        and _ends_with(before, len(before) - 1, word_set("context", "claim_before"))
    ):
        return True
    if not after or after[0].kind != "word":
        return False
    first = after[0].text
    return first in word_set("context", "claim_after") or first.startswith(_unspaced("claim_after"))


def _speaks_for(
    text: str,
    start: int,
    stop: int,
    before: list[_Word],
    after: list[_Word],
    everyday: _Everyday,
    sold: frozenset[str],
    category: str | None,
) -> bool:
    """Whether more speaks for the name than for the everyday word."""
    score = 0
    near = (
        [word for word in before[-2 * _NEAR :] if word.kind == "word"][-_NEAR:],
        [word for word in after[: 2 * _NEAR] if word.kind == "word"][:_NEAR],
    )
    score -= 3 * _count(everyday.company, near[0][-1:], near[1][:1], text, start, stop, 3)
    score -= _count(everyday.company, near[0], near[1], text, start, stop, 8)
    goods = _count(everyday.goods, before, after, text, start, stop, 24)
    score += 2 + min(goods, 2) if goods else 0
    capitals = _capitals(text, start, stop, before, after)
    score += max(capitals, 0) if everyday.rare else capitals
    if category and sold:
        score += 2 if _same_trade(category, sold) else -2
    first = text[:start].strip(" #@\"'【[(") == ""
    score += 1 if first else 0
    return score >= (0 if everyday.rare else 2)


def _count(
    words: frozenset[str], before: Sequence[_Word], after: Sequence[_Word], text: str, start: int, stop: int, reach: int
) -> int:
    """How many of the words stand around a name: whole words, or letters of unspaced scripts within `reach`."""
    left = " ".join(word.text for word in before)
    right = " ".join(word.text for word in after)
    around = f" {left} \x00 {right} "
    count = sum(f" {word} " in around for word in words)
    here = text[max(0, start - reach) : start] + "\x00" + text[stop : stop + reach]
    if _CJK.search(here):
        folded = _fold(here)
        count += sum(word in folded for word in words if _CJK.match(word) and f" {word} " not in around)
    return count


def _capitals(text: str, start: int, stop: int, before: Sequence[_Word], after: Sequence[_Word]) -> int:
    """+2 if the name is written large and most words around are not, -1 if it is small among large ones."""
    here = text[start:stop]
    if not here[:1].isalpha() or here.lower() == here.upper():
        return 0
    others = [
        word.raw
        for word in (*before[-8:], *after[:8])
        if word.kind == "word" and word.raw[0].isalpha() and len(word.raw) > 3
    ]
    large = sum(word[0].isupper() for word in others)
    first = text[:start].strip(" #@\"'【[(") == ""
    if here[0].isupper():
        if len(others) >= 2 and here.isupper() and not any(word.isupper() for word in others):
            return 2
        return 2 if not first and len(others) >= 2 and large * 4 <= len(others) else 0
    return -1 if large * 2 >= len(others) and others else 0


def _same_trade(category: str, sold: frozenset[str]) -> bool:
    """Whether a listing's category and one of a brand's are the same or share a word."""
    asked = set(re.findall(r"\w+", fold(category)))
    return any(asked & set(re.findall(r"\w+", fold(trade))) for trade in sold)
