"""The rules for one appraisal that need no database; each gives the value to store or raises Invalid."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from brands import checks
from brands.errors import Invalid
from brands.model import APPRAISAL_METHODS, APPRAISALS
from screener.appraisals.model import NewAppraisal, Place, Problem

APPRAISER_MAX: Final = 200
LISTING_MAX: Final = 200
URI_MAX: Final = 2_048
SCHEMES: Final = ("https", "s3", "gs", "az", "file")
"""Where reports are kept. The address is stored and shown, and never fetched; `javascript:` and `data:` would run."""
OLDEST: Final = date(1990, 1, 1)
"""An earlier day is a slip of the pen: there was nothing to screen."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_URI: Final = re.compile(r"[!-~]+")

T = TypeVar("T")


class Findings:
    """Gathers what is wrong with a list of appraisals, all of it in one go."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self.problems = list(problems)

    def attempt(self, place: Place, column: str, check: Callable[[], T]) -> T | None:
        """What `check` gives, or None where it raises Invalid; then that is a problem of the column."""
        try:
            return check()
        except Invalid as error:
            self.problems.append(Problem(place, error.field or column, error.code, error.message))
            return None


def checked(findings: Findings, new: NewAppraisal, place: Place, now: datetime) -> dict[str, Any]:
    """The columns that need no database, as they are stored; what cannot be is None, and in the findings."""
    today = last_day(now)
    checked_by: dict[str, Callable[[], Any]] = {
        "outcome": lambda: _outcome(new.outcome),
        "appraiser": lambda: checks.checked_word(new.appraiser, "appraiser", APPRAISER_MAX),
        "method": lambda: _method(new.method),
        "confidence": lambda: _confidence(new.confidence),
        "cost_amount": lambda: _cost(new.cost_amount, new.cost_currency),
        "cost_currency": lambda: new.cost_currency,
        "evidence_hash": lambda: _sha256(new.evidence_hash),
        "evidence_uri": lambda: _uri(new.evidence_uri),
        "appraised_on": lambda: _day(new.appraised_on, "appraised_on", today),
        "bought_on": lambda: _bought(new.bought_on, new.appraised_on, today),
        "notes": lambda: checks.checked_text(new.notes, "notes", checks.NOTES_MAX, lines=True),
    }
    return {column: findings.attempt(place, column, check) for column, check in checked_by.items()}


def check_named(new: NewAppraisal) -> None:
    """Exactly one of the two ways to say which item it is. Raises Invalid."""
    if (new.screening_id is None) == (new.listing_id is None):
        raise Invalid(
            "Say which item it is: `screening_id`, or `listing_id`.", code="unknown_screening", field="screening_id"
        )
    if new.revision is not None and (new.listing_id is None or not 0 <= new.revision <= 2**53 - 1):
        raise Invalid(
            "A revision is a whole number, and goes with a `listing_id`.", code="unknown_screening", field="revision"
        )


def last_day(now: datetime) -> date:
    """The day that it is where it is latest (UTC+14): an appraiser there is not ahead of the time."""
    return (now + timedelta(hours=14)).date()


def _outcome(outcome: str) -> str:
    if outcome not in APPRAISALS:
        raise Invalid("The outcome is counterfeit, authentic or inconclusive.", code="invalid_outcome")
    return outcome


def _method(method: str) -> str:
    if method not in APPRAISAL_METHODS:
        raise Invalid(f"The method is one of {', '.join(APPRAISAL_METHODS)}.", code="invalid_method")
    return method


def _confidence(confidence: float | None) -> float | None:
    if confidence is None:
        return None
    if not math.isfinite(confidence) or not 0 <= confidence <= 1:
        raise Invalid("The confidence is a number from 0 to 1.", code="invalid_confidence")
    return float(confidence)


def _cost(amount: Decimal | None, currency: str | None) -> Decimal | None:
    if amount is None and currency is None:
        return None
    if amount is None or currency is None:
        column = "cost_amount" if amount is None else "cost_currency"
        raise Invalid("A cost has an amount and a currency.", code="invalid_cost", field=column)
    if not re.fullmatch("[A-Z]{3}", currency):
        raise Invalid(
            "The currency must be three upper-case letters (ISO 4217).", code="invalid_currency", field="cost_currency"
        )
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount < 0:
        raise Invalid("The amount must be a number, zero or above.", code="invalid_cost")
    if amount.adjusted() >= checks.PRICE_INTEGER_DIGITS or exponent < -checks.PRICE_DECIMALS:
        raise Invalid(
            f"The amount may have {checks.PRICE_INTEGER_DIGITS} digits before and {checks.PRICE_DECIMALS} after the"
            " point.",
            code="invalid_cost",
        )
    return Decimal(format(amount, "f"))


def _sha256(text: str | None) -> str | None:
    if text is None:
        return None
    if not _SHA256.fullmatch(text.lower()):
        raise Invalid("The hash is a SHA-256: 64 hexadecimal digits.", code="invalid_evidence")
    return text.lower()


def _uri(text: str | None) -> str | None:
    if text is None:
        return None
    refused = Invalid(
        f"An address begins with {', '.join(f'{scheme}://' for scheme in SCHEMES)}, has no spaces and no password.",
        code="invalid_evidence",
    )
    if len(text) > URI_MAX or not _URI.fullmatch(text):
        raise refused
    try:
        parts = urlsplit(text)
    except ValueError:
        raise refused from None
    named = parts.netloc or (parts.scheme == "file" and parts.path.startswith("/"))
    if parts.scheme not in SCHEMES or not named or "://" not in text or "@" in parts.netloc:
        raise refused
    return text


def _day(day: date, column: str, today: date) -> date:
    if not OLDEST <= day <= today:
        raise Invalid("The day has not come yet, or is before 1990.", code="invalid_day", field=column)
    return day


def _bought(bought: date | None, appraised: date, today: date) -> date | None:
    if bought is None:
        return None
    _day(bought, "bought_on", today)
    if bought > appraised:
        raise Invalid("The item was bought after it was appraised.", code="invalid_period")
    return bought


@dataclass(frozen=True, slots=True)
class Placed:
    """An appraisal to store and where it stood."""

    place: Place
    new: NewAppraisal
