"""Guesses the language of a short text: by its script, and in Latin letters by everyday words and letters."""

import re
import tomllib
import unicodedata
from functools import cache
from importlib import resources
from typing import Final

from screener.words import clean

UNKNOWN: Final = "und"
"""What BCP 47 calls a language that is not determined."""
LANGUAGES: Final = ("ar", "de", "en", "es", "fr", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")
"""Those that are guessed; a caller may name any other."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_LETTER: Final = 1.0
_ENDING: Final = 0.4
"""What a word with a letter of the language's own counts, and one with its ending, beside an everyday word."""
_MOST: Final = 500
_SCRIPTS: Final = (
    ("HANGUL", "ko"), ("HIRAGANA", "ja"), ("KATAKANA", "ja"), ("CJK", "zh"), ("ARABIC", "ar"), ("CYRILLIC", "ru"),
    ("LATIN", "latin"),
)  # fmt: skip


def guess(text: str) -> str:
    """One of `LANGUAGES`, or "und" where nothing tells; the language of most letters where several are mixed."""
    text = unicodedata.normalize("NFC", text[:_MOST]).replace("’", "'")
    found: dict[str, int] = {}
    for letter in filter(str.isalpha, text):
        name = unicodedata.name(letter, "")
        script = next((code for prefix, code in _SCRIPTS if name.startswith(prefix)), None)
        if script:
            found[script] = found.get(script, 0) + 1
    # A word in Han or Hangul has few letters, one in Latin many.
    weighed = {script: number * (1 if script in ("latin", "ru", "ar") else 3) for script, number in found.items()}
    if "ja" in weighed:
        weighed["ja"] += weighed.pop("zh", 0)
    if not weighed:
        return UNKNOWN
    best = max(sorted(weighed), key=lambda script: weighed[script])
    return _latin(text) if best == "latin" else best


def _latin(text: str) -> str:
    found = _WORD.findall(text.lower())
    words = [clean(word) for word in found]
    scores = {
        language: sum(
            (word in known) + _LETTER * any(letter in letters for letter in written) + _ENDING * word.endswith(endings)
            for word, written in zip(words, found, strict=True)
        )
        for language, (known, letters, endings) in _latin_languages().items()
    }
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] > 0 else UNKNOWN


@cache
def _latin_languages() -> dict[str, tuple[frozenset[str], str, tuple[str, ...]]]:
    parsed = tomllib.loads(resources.files("screener.signals").joinpath("languages.toml").read_text("utf-8"))
    return {
        name: (frozenset(map(clean, found["words"])), found["letters"], tuple(found["endings"]))
        for name, found in parsed.items()
    }
