"""Invents brand names in several scripts and the odd spellings sellers use for them."""

from __future__ import annotations

import numpy as np

SCRIPTS: dict[str, str] = {
    "latin": "abcdefghijklmnopqrstuvwxyz",
    "cyrillic": "абвгдежзиклмнопрстуфхцчшэюя",
    "greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "han": "天地山水火木金土日月星雲風雷花草鳥龍虎馬王玉石美麗新華中國東西南北大小上下人心手工作品味香茶酒米食家園",
    "kana": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン",
    "hangul": "가나다라마바사아자차카타파하고노도로모보소오조초구누두루무부수우주기니디리미비시이지",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "thai": "กขคงจชซญดตถทนบปผพฟมยรลวสหอ",
}
"""Letters of each script that invented names are made of."""
_ONSETS = [
    "b", "bl", "br", "c", "ch", "cr", "d", "dr", "f", "fl", "fr", "g", "gl", "gr", "h", "j", "k", "kl", "kr",
    "l", "m", "n", "p", "pl", "pr", "qu", "r", "s", "sh", "sk", "sl", "sp", "st", "str", "sw", "t", "th", "tr",
    "tw", "v", "w", "x", "y", "z",
]  # fmt: skip
_NUCLEI = ["a", "e", "i", "o", "u", "ai", "au", "ea", "ee", "ei", "ia", "ie", "io", "oa", "oo", "ou", "y"]
_CODAS = ["", "", "", "", "l", "m", "n", "r", "s", "t", "x", "ck", "nd", "ng", "nk", "rd", "rt", "st", "z"]
_SECOND = [
    "sport", "studio", "lab", "wear", "foods", "tea", "home", "bio", "pure", "kids", "pro", "audio", "tech",
    "farm", "garden", "and", "co", "moda", "brew", "care", "fit", "milk", "juice", "yoghurt",
]  # fmt: skip
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "b": "8", "g": "9", "l": "1|"}
_LOOKALIKE = {
    "a": "а",
    "e": "е",
    "o": "о",
    "p": "р",
    "c": "с",
    "x": "х",
    "y": "у",
    "i": "і",
    "s": "ѕ",
    "n": "ո",
    "h": "һ",
}


def invent_name(rng: np.random.Generator, script: str = "latin") -> str:
    """One name of 2 to 14 letters in `script` (a key of SCRIPTS), sometimes of two words."""
    if script != "latin":
        letters = SCRIPTS[script]
        low, high = (2, 5) if script in ("han", "kana", "hangul") else (3, 9)
        return "".join(letters[int(i)] for i in rng.integers(0, len(letters), int(rng.integers(low, high))))
    syllables = int(rng.choice([1, 2, 2, 2, 3, 3]))
    name = "".join(str(rng.choice(_ONSETS)) + str(rng.choice(_NUCLEI)) for _ in range(syllables)) + str(
        rng.choice(_CODAS)
    )
    if rng.random() < 0.12:
        name += " " + str(rng.choice(_SECOND))
    if rng.random() < 0.05:
        name += str(rng.integers(1, 99))
    return name


def letter_case(name: str, rng: np.random.Generator) -> str:
    """The name as it might be printed: as it is, capitalised, upper or lower case."""
    return (name, name.title(), name.upper(), name.lower())[int(rng.choice(4, p=[0.15, 0.35, 0.35, 0.15]))]


def odd_spelling(name: str, rng: np.random.Generator) -> str:
    """A spelling meant to pass a word filter: digits for letters, look-alike letters, spacing, doubled, lost or swapped
    letters.
    """
    letters = list(name)
    for _ in range(int(rng.integers(1, 3))):
        way = int(rng.integers(0, 6))
        at = int(rng.integers(0, len(letters)))
        if way == 0:
            letters = [_swap(c, _LEET, rng) if rng.random() < 0.5 else c for c in letters]
        elif way == 1:
            letters = [_swap(c, _LOOKALIKE, rng) if rng.random() < 0.5 else c for c in letters]
        elif way == 2:
            return str(rng.choice([" ", ".", "-", "_", "*"])).join("".join(letters).replace(" ", ""))
        elif way == 3:
            letters.insert(at, letters[at])
        elif way == 4 and len(letters) > 4:
            del letters[at]
        elif way == 5 and at + 1 < len(letters):
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return letter_case("".join(letters), rng)


def _swap(letter: str, table: dict[str, str], rng: np.random.Generator) -> str:
    choices = table.get(letter.lower())
    return choices[int(rng.integers(0, len(choices)))] if choices else letter
