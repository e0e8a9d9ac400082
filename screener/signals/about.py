"""Which brand and which kind of goods a buyer's text is about: what it names, else what the listing was screened as."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from index.live import Live
from screener.release import Serving
from screener.signals.classify import Classifier, Opinion, classifier
from screener.signals.language import guess
from screener.words import NameFinder, clean

_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ENDING: Final = r"\w{0,2}"
_FEWEST: Final = 4
"""Letters of a word from which it takes endings; "ring" is no "rings" of a phone."""
_MOST: Final = 2000

Names = Callable[[], NameFinder | None]
"""The registered names as they are served now; None while nothing is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one text says: the classifier's opinion, the language, and what goods and brands it names."""

    opinion: Opinion
    classifier: str
    language: str
    product: str | None
    brands: tuple[str, ...]


class TextReader:
    """Reads buyers' texts; safe to share between threads."""

    def __init__(self, names: Names, model: Classifier | None = None) -> None:
        """Loads the classifier that comes with the distribution if none is given. Raises ClassifierRefused."""
        self._names = names
        self._model = model or classifier()

    def read(self, text: str, *, language: str | None = None) -> Reading:
        """Reads one text; `language` is what the caller says it is."""
        finder = self._names()
        return Reading(
            opinion=self._model.classify(text),
            classifier=self._model.id,
            language=language or guess(text),
            product=product_in(text),
            brands=_brands(finder, text) if finder else (),
        )


def served_names(live: Live[Serving]) -> Names:
    """The names of what is served at the moment of each call."""
    return lambda: live.current.directory.words if live.current else None


def brand_of(named: tuple[str, ...], screened: str | None) -> str | None:
    """The brand that a signal counts for: the listing's own if the text names it or none, else the first it names."""
    return screened if screened in named or not named else named[0]


def product_in(text: str) -> str | None:
    """The first kind of goods that a text names: a key of `products.toml`."""
    found = _pattern().search(clean(text[:_MOST]))
    return found.lastgroup if found else None


def _brands(finder: NameFinder, text: str) -> tuple[str, ...]:
    """The brands that a text names, those first that it says the thing is of; everyday words do not count."""
    found = [name.brand_id for name in finder.find(text[:_MOST]) if name.context != "common"]
    return tuple(dict.fromkeys(found))


@cache
def _pattern() -> re.Pattern[str]:
    parsed = tomllib.loads(resources.files("screener.signals").joinpath("products.toml").read_text("utf-8"))
    groups = []
    for product, words in parsed.items():
        ways = []
        for word in sorted(map(clean, words), key=len, reverse=True):
            if _UNSPACED.search(word):
                ways.append(re.escape(word))
            else:
                prefix = "(?:ال)?" if re.match("[\u0600-\u06ff]", word) else ""
                ways.append(rf"(?<!\w){prefix}{re.escape(word)}{_ENDING if len(word) >= _FEWEST else ''}(?!\w)")
        groups.append(f"(?P<{product}>{'|'.join(ways)})")
    return re.compile("|".join(groups))
