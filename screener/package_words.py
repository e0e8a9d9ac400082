"""What the words in a listing's pictures say of the brand: its name, and what is printed on its registered goods.

A package says more than the brand: "oat drink barista", a slogan, a model. Those words are read from the references'
pictures once, and a listing's picture that shows the same ones speaks for that brand; a word on the goods of several
brands ("yoghurt") counts for each the less. A word by itself names nobody: it only helps a likeness that is not quite
enough.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from screener.reading import Line
from screener.words import NameFinder, clean

NAME_READ: Final = 0.5
"""What a name in a picture adds to the excess of a likeness (`Sighting.excess`): enough without any likeness, since no
name was read in 900 photos of other things (`listing-screener-train evaluate reading`)."""
EVERYDAY_NAME_READ: Final = 0.2
"""The same of a name that is an everyday word too, or is only mentioned ("for"): it needs a likeness."""
WORD_READ: Final = 0.15
"""What a word of the brand's packages adds, shared between the brands whose packages have it."""
NOTHING_READ: Final = -0.04
"""What it costs a brand whose packages have words that none of them, nor its name, is read in a picture: with it, 0.5 %
instead of 2 % of photos of loose fruit were named after a juice, and 90 % instead of 94 % of the groceries found."""
MOST_WORDS: Final = 2.0
"""So many words count; a long text is no more than a label."""
SURELY: Final = 0.6
"""Least confidence of a line that is believed."""
_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_MISREAD_FROM: Final = 6
"""Letters of a word from which one may have been misread."""


class PackageWords:
    """The words read on the references of each brand; immutable. `brands` are those that have any."""

    def __init__(self, lines: Iterable[tuple[str, Sequence[Line]]] = ()):
        """`lines` gives brand id and what was read in a picture of the brand's own goods."""
        brands: dict[str, set[str]] = defaultdict(set)
        for brand, read in lines:
            for word in words_of(read):
                brands[word].add(brand)
        self.brands = frozenset(brand for found in brands.values() for brand in found)
        self._brands: Mapping[str, frozenset[str]] = {word: frozenset(found) for word, found in brands.items()}
        near: dict[str, list[str]] = defaultdict(list)
        for word in self._brands:
            for rest in _shortened(word):
                near[rest].append(word)
        self._near: Mapping[str, tuple[str, ...]] = {rest: tuple(words) for rest, words in near.items()}

    def __len__(self) -> int:
        """Different words."""
        return len(self._brands)

    def support(self, words: Iterable[str]) -> dict[str, float]:
        """How many of a picture's words are on each brand's goods, each counted by how few brands have it."""
        counts: dict[str, float] = defaultdict(float)
        for known in {match for word in words for match in self._known(word)}:
            for brand in self._brands[known]:
                counts[brand] += 1.0 / len(self._brands[known])
        return dict(counts)

    def _known(self, word: str) -> Iterator[str]:
        """The registered words that a word may be, misread by at most one letter."""
        if word in self._brands:
            yield word
            return
        candidates = {known for rest in _shortened(word) for known in self._near.get(rest, ())}
        yield from (known for known in candidates if _one_letter_apart(word, known))


def read_support(
    names: NameFinder, packages: PackageWords, pictures: Iterable[Sequence[Line]], sighted: Iterable[str]
) -> Mapping[str, float]:
    """What the words in a listing's pictures add to the excess of each brand's likeness (`screener.recognise`).

    `sighted` are the brands that the pictures come near.
    """
    support: dict[str, float] = defaultdict(float)
    for lines in pictures:
        believed = [line for line in lines if line.confidence >= SURELY]
        more = {brand: WORD_READ * min(count, MOST_WORDS) for brand, count in packages.support(words_of(lines)).items()}
        named: dict[str, float] = {}
        for name in names.read([line.text for line in believed]):
            worth = NAME_READ if name.context == "claim" else EVERYDAY_NAME_READ
            named[name.brand_id] = max(named.get(name.brand_id, 0.0), worth)
        for brand, worth in named.items():
            more[brand] = more.get(brand, 0.0) + worth
        for brand, worth in more.items():
            support[brand] = max(support[brand], worth)
    unread = {brand for brand in sighted if brand in packages.brands and brand not in support}
    return dict.fromkeys(unread, NOTHING_READ) | dict(support)


def words_of(lines: Iterable[Line]) -> set[str]:
    """The words of four letters and more, cleaned."""
    return {word for line in lines for word in _WORD.findall(clean(line.text))}


def _shortened(word: str) -> set[str]:
    """A word and everything that is left of it when one letter goes: two words one letter apart share one of these."""
    if len(word) < _MISREAD_FROM - 1:
        return set()
    return {word, *(word[:n] + word[n + 1 :] for n in range(len(word)))}


def _one_letter_apart(left: str, right: str) -> bool:
    """Whether two words, the longer of six letters or more, differ in one letter: changed, missing or too much."""
    if max(len(left), len(right)) < _MISREAD_FROM or abs(len(left) - len(right)) > 1:
        return False
    same = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    tails = ((1, 1), (0, 1), (1, 0))
    return any(left[same + a :] == right[same + b :] for a, b in tails)
