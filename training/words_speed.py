"""Measures what finding names costs with many of them: build time, memory and milliseconds, on generated names."""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from screener.words import NameFinder

TITLE_LETTERS: Final = 80
DESCRIPTION_LETTERS: Final = 500
LONG_LETTERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Speed:
    """Cost with generated aliases, in processor time.

    Seconds to build; MiB of resident memory that it added (None where the system does not say); milliseconds per
    listing (title of 80 and description of 500 code points, fastest of three), per long text of 20,000 code points
    and per picture read (30 lines).
    """

    aliases: int
    build_s: float
    memory_mib: float | None
    listing_ms_p50: float
    listing_ms_p95: float
    long_ms: float
    read_ms: float


def measure_speed(aliases: int, seed: int) -> Speed:
    """Cost of a finder with generated names of six scripts."""
    rng = random.Random(seed)
    names = list(generated_names(rng, aliases))
    before = _resident()
    started = time.process_time()
    finder = NameFinder(names)
    build_s = time.process_time() - started
    after = _resident()
    listings = [(_text(rng, names, TITLE_LETTERS), _text(rng, names, DESCRIPTION_LETTERS)) for _ in range(300)]
    for title, description in listings[:50]:
        _find(finder, title, description)
    times: list[float] = []
    for title, description in listings[50:]:
        times.append(_timed(partial(_find, finder, title, description), 3))
    times.sort()
    long = _text(rng, names, LONG_LETTERS)
    pictures = [[_text(rng, names, 24) for _ in range(30)] for _ in range(20)]
    return Speed(
        aliases=len(names),
        build_s=build_s,
        memory_mib=None if before is None or after is None else (after - before) / 2**20,
        listing_ms_p50=times[len(times) // 2],
        listing_ms_p95=times[int(len(times) * 0.95)],
        long_ms=_timed(partial(finder.find, long), 5),
        read_ms=median(_timed(partial(finder.read, lines), 3) for lines in pictures),
    )


def _find(finder: NameFinder, title: str, description: str) -> None:
    finder.find(title)
    finder.find(description)


def generated_names(rng: random.Random, count: int) -> Iterator[tuple[str, str]]:
    """Distinct made-up names, four to a brand: most in Latin letters, one in six in other scripts."""
    seen: set[str] = set()
    while len(seen) < count:
        draw = rng.random()
        if draw < 0.84:
            name = " ".join(_syllables(rng, _LATIN, 2, 4).capitalize() for _ in range(1 + (draw < 0.2)))
        elif draw < 0.91:
            name = _syllables(rng, _CYRILLIC, 2, 4).capitalize()
        elif draw < 0.96:
            name = "".join(chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(rng.randint(2, 4)))
        elif draw < 0.98:
            name = "".join(
                rng.choice("アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモラリルレロ")
                for _ in range(rng.randint(3, 6))
            )
        else:
            name = "".join(rng.choice("ابتجدرزسشصطعغفقكلمنهوي") for _ in range(rng.randint(4, 7)))
        if name not in seen:
            seen.add(name)
            yield f"brand{len(seen) // 4}", name


_LATIN: Final = ("bcdfghjklmnprstvwz", "aeiou", ("", "", "n", "r", "l", "s", "x", "tt"))
_OTHER: Final = (
    ("th", "sh", "qu", "wh", "ch", "b", "m", "st", "tr", "pl"),
    ("ea", "oo", "ai", "e", "ou", "i"),
    ("ck", "ng", "st", "", "gh", "d"),
)
"""Syllables of words that are no names."""
_CYRILLIC: Final = ("бвгдзклмнпрстфх", "аеиоу", ("", "", "н", "р", "л", "с"))


def _syllables(
    rng: random.Random, letters: tuple[Sequence[str], Sequence[str], Sequence[str]], fewest: int, most: int
) -> str:
    onset, vowel, coda = letters
    return "".join(rng.choice(onset) + rng.choice(vowel) + rng.choice(coda) for _ in range(rng.randint(fewest, most)))


def _text(rng: random.Random, names: Sequence[tuple[str, str]], letters: int) -> str:
    """Words of one language, half of them made up, and a registered name in thirty, of a length in code points."""
    everyday = rng.choices(_EVERYDAY, (6, 1, 1, 1, 1, 1))[0]
    words: list[str] = []
    length = 0
    while length < letters:
        draw = rng.random()
        if draw < 0.03:
            words.append(rng.choice(names)[1])
        elif draw < 0.7 or not everyday[0].isascii():
            words.append(rng.choice(everyday))
        else:
            words.append(_syllables(rng, _OTHER, 1, 3))
        length += len(words[-1]) + 1
    return " ".join(words)[:letters]


_EVERYDAY: Final = tuple(
    words.split()
    for words in (
        "the and for with new size black white shoes bag leather original box free shipping 2023 42 clean modern "
        "women men 100% cotton, (used) item condition please see photos returns accepted within days of delivery fits",
        "und für neu schwarz größe mit ohne schuhe tasche leder original karton versand kostenlos 42 sauber herren",
        "zapatillas nuevas talla con sin caja envío gratis mujer hombre color negro piel estado perfecto 42 algodón",
        "новый чехол размер цвет чёрный кожа доставка бесплатно женский мужской состояние отличное коробка 42",
        "全新正品 女鞋 包邮 黑色 尺码 42 真皮 支持退换 现货 秒发 春季新款 百搭 休闲 运动鞋男 厂家直销",
        "حذاء جديد مقاس 42 أسود جلد طبيعي توصيل مجاني نسائي رجالي حالة ممتازة مع العلبة قطن",
    )
)


def _timed(work: Callable[[], object], times: int) -> float:
    """Milliseconds of the fastest of a few runs."""
    best = float("inf")
    for _ in range(times):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return 1000 * best


def _resident() -> int | None:
    """Bytes of memory that this process holds."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
