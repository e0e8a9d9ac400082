"""What the word finders answer: names and phrases with their place in the text as it was given."""

from dataclasses import dataclass
from typing import Literal

How = Literal["plain", "disguised", "transliterated"]
Context = Literal["claim", "mention", "common"]
Strength = Literal[1, 2]


@dataclass(frozen=True, slots=True)
class Name:
    """One occurrence of a registered name.

    `name` is the registered spelling that the words read as; `start` and `stop` are code points of the original text
    (`text[start:stop]` is what the seller wrote). `how`: written openly (`plain`), twisted so that a filter or a search
    misses it (`disguised`), or written in another script (`transliterated`). `context`: the listing says to be of the
    brand (`claim`), sets itself beside it (`mention`: "for X", "compatible with X", "like X"), or uses an everyday word
    that also is a name (`common`: "apple juice").
    """

    brand_id: str
    name: str
    start: int
    stop: int
    how: How
    context: Context


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of the copy trade at `text[start:stop]` of the original.

    `strength` 2 says outright that the thing is a copy ("1:1 replica", "高仿"); 1 is weak alone ("inspired by").
    """

    text: str
    start: int
    stop: int
    strength: Strength
