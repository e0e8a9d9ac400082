"""One appraisal from texts, as a row of a table or the answers of an annotator have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

from brands.errors import Invalid
from screener.appraisals.checking import Findings
from screener.appraisals.model import NewAppraisal, Place

COLUMNS: Final[Mapping[str, str]] = {
    "screening_id": "the screening that the item was bought from; this, or `listing_id`",
    "listing_id": "the marketplace's id of the listing: its latest screening is meant",
    "revision": "with `listing_id`: the latest screening of this revision",
    "outcome": "`counterfeit`, `authentic` or `inconclusive`",
    "brand": "the brand that the item is of or pretends to be of, by id or name",
    "appraiser": "who examined the item",
    "method": "`brand`, `laboratory`, `expert`, `documents` or `other`",
    "confidence": "the appraiser's own, 0 to 1",
    "cost_amount": "what item and appraisal cost",
    "cost_currency": "ISO 4217, such as EUR",
    "evidence_hash": "SHA-256 of the report, 64 hexadecimal digits",
    "evidence_uri": "where the report is kept; it is never fetched",
    "bought_on": "YYYY-MM-DD",
    "appraised_on": "YYYY-MM-DD",
    "notes": "anything else",
}
"""The columns of a table, in the order of the template, and what they hold."""
REQUIRED: Final = ("outcome", "appraiser", "method", "appraised_on")
ITEM: Final = ("screening_id", "listing_id")
"""One of them says which item it is."""
_NUMBER: Final = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,16}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Found = TypeVar("Found")


def read_cells(
    findings: Findings, place: Place, cells: Mapping[str, str], *, today: date, decimal_comma: bool = False
) -> NewAppraisal:
    """The appraisal that the texts by column say; what cannot be read is in the findings, and left open in it.

    `today` stands for a day of appraisal that cannot be read. `decimal_comma` takes 0,9 for 0.9.
    """

    def told(column: str) -> str | None:
        return cells.get(column, "").strip() or None

    def read(column: str, of: Callable[[str], Found]) -> Found | None:
        text = told(column)
        return None if text is None else findings.attempt(place, column, partial(of, text))

    number = partial(_number, decimal_comma=decimal_comma)
    confidence = read("confidence", number)
    appraised_on = findings.attempt(place, "appraised_on", partial(_day, told("appraised_on") or ""))
    return NewAppraisal(
        outcome=(told("outcome") or "").lower(),
        appraiser=told("appraiser") or "",
        method=(told("method") or "").lower(),
        appraised_on=appraised_on or today,
        screening_id=told("screening_id"),
        listing_id=told("listing_id"),
        revision=read("revision", _whole),
        brand=told("brand"),
        confidence=None if confidence is None else float(confidence),
        cost_amount=read("cost_amount", number),
        cost_currency=told("cost_currency"),
        evidence_hash=told("evidence_hash"),
        evidence_uri=told("evidence_uri"),
        bought_on=read("bought_on", _day),
        notes=told("notes") or "",
    )


def _number(text: str, *, decimal_comma: bool) -> Decimal:
    plain = text.replace(",", ".") if decimal_comma else text
    if not _NUMBER.fullmatch(plain):
        raise Invalid("A number is digits, with a point before the decimals.", code="invalid_number")
    return Decimal(plain)


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise Invalid("A whole number is expected.", code="invalid_number")
    return int(text)


def _day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise Invalid("A day is written YYYY-MM-DD.", code="invalid_day")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("There is no such day.", code="invalid_day") from None
