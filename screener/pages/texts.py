"""The words of the pages, in every language that they speak, and which language a request asks for.

A text is named `section.name` in texts/<language>.toml; one that counts has the forms `one` and `other`.
"""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

from screener.prompts import reason_message

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh": "中文"}
"""The languages on offer, by their BCP 47 tag, each under its own name."""
FALLBACK: Final = "en"
COOKIE: Final = "screener_language"

_FOLDER = Path(__file__).parent / "texts"


class Texts:
    """The words of one language; templates know it as `t`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = texts(language)

    def __call__(self, name: str, /, **values: object) -> str:
        """The text `section.name` with its `{places}` filled; a `count` chooses between the forms of a number.

        Raises KeyError for a name that is none: a template with a wrong one must not pass its test.
        """
        section, _, key = name.partition(".")
        found = self._texts[section][key]
        if isinstance(found, dict):
            found = found["one" if values["count"] == 1 else "other"]
        return str(found).format_map({name: _shown(value) for name, value in values.items()}) if values else str(found)

    def has(self, section: str, key: str) -> bool:
        """Whether there is such a text: for words that come from an address."""
        return key in self._texts[section]

    def error(self, code: str, message: str) -> str:
        """What went wrong, by the error's code; its own message where the language has no text for it."""
        return str(self._texts["errors"].get(code, message))

    def reason(self, code: str) -> str:
        """What a reason of an answer means."""
        return str(self._texts["reasons"][code]) if "reasons" in self._texts else reason_message(code)


@cache
def texts(language: str) -> Mapping[str, Any]:
    """Every text of a language, by section."""
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


def language_of(request: Request) -> str:
    """The language that is asked for: `?lang=`, then the cookie, then the browser's, then English."""
    for asked in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if asked is not None and asked in LANGUAGES:
            return asked
    return _preferred(request.headers.get("accept-language", ""))


def day(value: datetime) -> str:
    """A day as every reader understands it, in UTC."""
    return f"{value:%Y-%m-%d}"


def moment(value: datetime) -> str:
    """A minute, in UTC."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


def _preferred(header: str) -> str:
    """The first language on offer by weight, then by place (RFC 9110, 12.5.4)."""
    wanted = []
    for place, part in enumerate(header.split(",")[:20]):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.partition("=")[2] or 1)
        except ValueError:
            continue
        wanted.append((-quality, place, tag.strip().lower().split("-")[0]))
    return next((tag for quality, _, tag in sorted(wanted) if tag in LANGUAGES and quality < 0), FALLBACK)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
