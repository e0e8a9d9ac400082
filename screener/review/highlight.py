"""The words of a listing cut where something was found in them, so that whoever shows them need not count letters."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Field = Literal["brand", "title", "description"]
FIELDS: Final[tuple[Field, ...]] = ("title", "brand", "description")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text; `found` are the answer's words that it is part of, none for what lies between."""

    text: str
    found: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A field of a listing; its pieces together are the whole text."""

    field: Field
    pieces: tuple[Piece, ...]


def texts_of(request: Mapping[str, Any], words: Sequence[Mapping[str, Any]]) -> tuple[Text, ...]:
    """Every field of the request that says something, with the `words` of its answer marked; these may overlap."""
    return tuple(
        Text(field, pieces_of(request[field], [word for word in words if word["field"] == field]))
        for field in FIELDS
        if request.get(field)
    )


def pieces_of(text: str, words: Sequence[Mapping[str, Any]]) -> tuple[Piece, ...]:
    """The text cut at every start and stop (code points) of `words`."""
    cuts = {0, len(text)} | {min(max(word[end], 0), len(text)) for word in words for end in ("start", "stop")}
    ends = sorted(cuts)
    return tuple(
        Piece(text[start:stop], tuple(word for word in words if word["start"] <= start and stop <= word["stop"]))
        for start, stop in itertools.pairwise(ends)
    )
