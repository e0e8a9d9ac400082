"""The rules for what callers may store: texts, prices, dates, boxes. Each gives the value to store or raises Invalid.

The limits are far above real brands' needs and keep a row, an audit row and an index entry small on both databases.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

from brands.errors import Invalid
from brands.ids import is_id
from brands.model import AuthorisedSeller, Box, BrandDetails, CategoryPrice, Price
from brands.spelling import name_key

NAME_MAX = 200
WORD_MAX = 200
WORDS_MAX = 200
CATEGORY_MAX = 100
CATEGORIES_MAX = 100
SELLER_ID_MAX = 200
SELLERS_MAX = 10_000
SOURCE_MAX = 2_000
NOTES_MAX = 4_000
REASON_MAX = 2_000
ACTOR_MAX = 200
PAGE_MAX = 500
PRICE_INTEGER_DIGITS = 12
PRICE_DECIMALS = 4  # the most that ISO 4217 has (CLF, UYW)

_KEY_BYTES_MAX = 2_000  # PostgreSQL's B-tree takes entries up to 2,704 bytes
_CURRENCY = re.compile(r"[A-Z]{3}")
_BOX_DECIMALS = 6


def checked_text(value: str, field: str, limit: int, *, lines: bool = False) -> str:
    """`value` without white space around it: at most `limit` code points, no control characters, no lone surrogates.

    `lines` allows tabs and line ends inside. The result may be empty.
    """
    text = value.strip()
    if len(text) > limit:
        raise Invalid(f"The text may have at most {limit} characters.", code="too_long", field=field)
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and not (lines and character in "\t\r\n"):
            raise Invalid("The text has a control character or a lone surrogate.", code="invalid_text", field=field)
    return text


def checked_word(value: str, field: str, limit: int) -> str:
    """Like `checked_text`, but at least one letter, digit, mark or symbol must be there."""
    text = checked_text(value, field, limit)
    if not any(unicodedata.category(character)[0] in "LNSP" for character in text):
        raise Invalid("The text is empty.", code="empty_text", field=field)
    return text


def checked_name(value: str, field: str = "name") -> str:
    """A brand's name."""
    name = checked_word(value, field, NAME_MAX)
    if len(name_key(name).encode()) > _KEY_BYTES_MAX:
        raise Invalid("The name is too long.", code="too_long", field=field)
    return name


def checked_words(values: Sequence[str], field: str, limit: int, most: int) -> tuple[str, ...]:
    """A list of up to `most` words of up to `limit` code points, no two with the same `name_key`; the order is kept."""
    if len(values) > most:
        raise Invalid(f"The list may have at most {most} entries.", code="too_many", field=field)
    words = tuple(checked_word(value, field, limit) for value in values)
    _no_twins([name_key(word) for word in words], field)
    return words


def checked_price(price: Price | None, field: str = "reference_price") -> Price | None:
    """A price above zero with up to 12 digits before and 4 after the point, and an ISO 4217 currency."""
    if price is None:
        return None
    if not isinstance(price.amount, Decimal) or not price.amount.is_finite() or price.amount <= 0:
        raise Invalid("The amount must be a number above zero.", code="invalid_price", field=f"{field}.amount")
    exponent = price.amount.as_tuple().exponent
    assert isinstance(exponent, int)
    if price.amount.adjusted() >= PRICE_INTEGER_DIGITS or exponent < -PRICE_DECIMALS:
        raise Invalid(
            f"The amount may have {PRICE_INTEGER_DIGITS} digits before and {PRICE_DECIMALS} after the point.",
            code="invalid_price",
            field=f"{field}.amount",
        )
    if not _CURRENCY.fullmatch(price.currency):
        raise Invalid(
            "The currency must be three upper-case letters (ISO 4217).",
            code="invalid_currency",
            field=f"{field}.currency",
        )
    return Price(Decimal(format(price.amount, "f")), price.currency)


def checked_category_prices(
    prices: Sequence[CategoryPrice], field: str = "reference_prices"
) -> tuple[CategoryPrice, ...]:
    """Up to `CATEGORIES_MAX` prices, one for each category by `name_key`, in the order of the categories' texts."""
    if len(prices) > CATEGORIES_MAX:
        raise Invalid(f"The list may have at most {CATEGORIES_MAX} entries.", code="too_many", field=field)
    checked = []
    for category, price in prices:
        category = checked_word(category, f"{field}.category", CATEGORY_MAX)
        amount = checked_price(price, f"{field}.price")
        assert amount is not None  # None for no price only
        checked.append(CategoryPrice(category, amount))
    _no_twins([name_key(category) for category, _ in checked], field)
    return tuple(sorted(checked, key=lambda price: price.category))


def checked_sellers(
    sellers: Sequence[AuthorisedSeller], field: str = "authorised_sellers"
) -> tuple[AuthorisedSeller, ...]:
    """Sellers with a period each; a seller may come back with another period, not with the same one."""
    if len(sellers) > SELLERS_MAX:
        raise Invalid(f"The list may have at most {SELLERS_MAX} entries.", code="too_many", field=field)
    checked = []
    for seller in sellers:
        if seller.valid_from and seller.valid_until and seller.valid_from > seller.valid_until:
            raise Invalid("The last day is before the first day.", code="invalid_period", field=f"{field}.valid_until")
        seller_id = checked_word(seller.seller_id, f"{field}.seller_id", SELLER_ID_MAX)
        checked.append(AuthorisedSeller(seller_id, seller.valid_from, seller.valid_until))
    _no_twins(checked, field)
    return tuple(checked)


def checked_details(details: BrandDetails) -> BrandDetails:
    """A brand's details as they are stored."""
    return BrandDetails(
        name=checked_name(details.name),
        aliases=checked_words(details.aliases, "aliases", WORD_MAX, WORDS_MAX),
        wordmarks=checked_words(details.wordmarks, "wordmarks", WORD_MAX, WORDS_MAX),
        categories=checked_words(details.categories, "categories", CATEGORY_MAX, CATEGORIES_MAX),
        reference_price=checked_price(details.reference_price),
        reference_prices=checked_category_prices(details.reference_prices),
        authorised_sellers=checked_sellers(details.authorised_sellers),
    )


def checked_box(box: Box | None, field: str = "box") -> Box | None:
    """A box inside the picture with some area, rounded to a millionth of the side."""
    if box is None:
        return None
    x0, y0, x1, y1 = (round(float(side), _BOX_DECIMALS) for side in box)
    if not all(math.isfinite(side) for side in (x0, y0, x1, y1)) or not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise Invalid("A box is x0,y0,x1,y1 with 0 <= x0 < x1 <= 1 and y likewise.", code="invalid_box", field=field)
    return (x0, y0, x1, y1)


def checked_page(after: str | None, limit: int) -> tuple[str | None, int]:
    """Where a page begins, behind the identifier `after`, and how many entries it may have."""
    if after is not None and not is_id(after):
        raise Invalid("A page begins behind an identifier.", code="invalid_cursor", field="after")
    if not 1 <= limit <= PAGE_MAX:
        raise Invalid(f"A page has 1 to {PAGE_MAX} entries.", code="invalid_limit", field="limit")
    return after, limit


def checked_actor(actor: str) -> str:
    """Who changes something, as the audit log names them: `key:<id>`, `cli:<user>`."""
    return checked_word(actor, "actor", ACTOR_MAX)


def _no_twins(keys: Sequence[object], field: str) -> None:
    if len(set(keys)) != len(keys):
        raise Invalid("An entry is in the list twice.", code="duplicate_entry", field=field)
