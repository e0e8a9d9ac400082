"""Keys under which one name in two scripts comes out equal: by sound, without what one of them cannot write.

Romanisation is `anyascii`'s, kana apart: it takes kana one by one, so small vowels, the long mark and the doubled
consonant are put together here (Hepburn).
"""

import re
from functools import lru_cache
from typing import Final, Literal

from anyascii import anyascii

Ear = Literal["sound", "kana", "arabic"]
"""Which key two scripts are compared under: Arabic beside anything, kana beside anything else, or the plain sound."""
EARS: Final[tuple[Ear, ...]] = ("sound", "kana", "arabic")

_LETTERS: Final = re.compile("[^a-z]+")
_RUN: Final = re.compile(r"(.)\1+")
_SOUNDS: Final = {
    "shch": "s", "tsch": "s", "sch": "s", "tch": "s", "dzh": "j", "sh": "s", "ch": "s", "zh": "j", "kh": "",
    "cci": "si", "cce": "se", "ph": "f", "th": "t", "gh": "g", "ck": "k", "qu": "kv", "q": "k", "x": "ks", "ts": "s",
    "tz": "s", "z": "s", "ce": "se", "ci": "si", "cy": "si", "c": "k", "y": "i", "h": "",
}  # fmt: skip
_SOUND: Final = re.compile("|".join(_SOUNDS))
_SMALL: Final = {"ァ": "a", "ィ": "i", "ゥ": "u", "ェ": "e", "ォ": "o", "ャ": "ya", "ュ": "yu", "ョ": "yo"}
_RESPELLED: Final = {code: code + 0x60 for code in range(0x3041, 0x3097)} | {ord("ا"): "a"}
"""Hiragana to katakana; alef, which anyascii leaves out."""


@lru_cache(1 << 12)
def romanised(text: str) -> str:
    """A text in small Latin letters; kana by Hepburn, Chinese in pinyin."""
    if text.isascii():
        return text.lower()
    out: list[str] = []
    for char in text.translate(_RESPELLED):
        if char in _SMALL and out and out[-1]:
            before, small = out[-1][:-1], _SMALL[char]
            out[-1] = before + (small[1:] if small[0] == "y" and before in ("sh", "ch", "j") else small)
        elif char in "ッー":
            continue
        else:
            out.append(anyascii(char).lower())
    return "".join(out)


@lru_cache(1 << 13)
def _base(word: str) -> str:
    """A romanised word by sound, v and w still apart."""
    letters = _LETTERS.sub("", word)
    key = _RUN.sub(r"\1", _SOUND.sub(lambda found: _SOUNDS[found.group()], letters))
    return key[:-1] if len(key) > 5 and key[-1] == "e" else key


def sound(latin: str) -> str:
    """The key of romanised words beside Cyrillic, Greek or Hangul: hard c and k are one, v and w, and all sibilants."""
    return "".join(map(_base, latin.split())).translate(_PLAIN)


def kana_sound(latin: str) -> str:
    """The key of romanised words beside kana: no u, no o after t and d, l is r, v is b."""
    key = "".join(map(_base, latin.split())).translate(_KANA).replace("kb", "k")
    if len(key) > 4 and key.endswith("si"):
        key = key[:-1]
    return _STOPPED.sub(r"\1", key) if "to" in key or "do" in key else key


def consonants(latin: str) -> str:
    """The key of romanised words beside Arabic: consonants alone, v as f, p as b, g and j as k."""
    return "".join(map(_base, latin.split())).translate(_ARABIC)


_PLAIN: Final = str.maketrans({"w": "v"})
_KANA: Final = str.maketrans({"l": "r", "v": "b", "w": "b", "j": "s", "m": "n", "f": "b", "u": None})
_STOPPED: Final = re.compile(r"([td])o(?=[^aeiou]|$)")
_ARABIC: Final = str.maketrans({"p": "b", "g": "k", "j": "k", "v": "f"} | dict.fromkeys("aeiouw"))
KEYS: Final = {"sound": sound, "kana": kana_sound, "arabic": consonants}


def reads_as_arabic(arabic: str, latin: str) -> bool:
    """Whether the long vowels that an Arabic spelling writes are vowels (or w, y) at their place in a Latin one."""
    letters = sound(arabic.replace("w", "u"))
    pattern = "".join(_LONG.get(letter, _SHORT + _CLASS.get(letter, letter) + "+") for letter in letters)
    return re.fullmatch(_SHORT + pattern + _SHORT, sound(latin)) is not None


_SHORT: Final = "[aeiou]*"
_LONG: Final = {"a": "[ae]+", "i": "[ie]+", "u": "[ouv]+"}
_CLASS: Final = {"b": "[bp]", "f": "[fv]", "k": "[kgj]", "g": "[kgj]", "j": "[kgj]"}
