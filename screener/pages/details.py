"""The page of a brand's names, words, prices and authorised sellers, and the sellers' list as a CSV file."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile

from brands.auth import Access, own
from brands.errors import Invalid, RegistryError
from brands.model import AuthorisedSeller, Brand, BrandDetails, CategoryPrice, Price
from brands.registry import Registry
from brands.sessions import Person
from screener.csv_safe import lines, plain
from screener.pages.rendering import brand_path, file, go, show

COLUMNS: Final = ("seller_id", "valid_from", "valid_until")
"""The first line of a file of sellers; days are YYYY-MM-DD, empty for open."""
SHOWN: Final = 200
"""Sellers in the page; all of them are in the file."""
_CSV_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Typed:
    """What stands in the form: the brand's own details first, what was sent after a mistake."""

    name: str
    aliases: str
    wordmarks: str
    categories: str
    amount: str
    currency: str
    prices: Sequence[tuple[str, str, str]]
    revision: int


def details_router(registry: Registry, access: Access) -> APIRouter:
    """The routes `/app/brands/{brand_id}/details` and `.../sellers`."""
    router = APIRouter(prefix="/app/brands/{brand_id}", include_in_schema=False)

    @router.get("/details")
    def show_details(request: Request, brand_id: str, person: Person = Depends(access.person)) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        return _page(request, person, brand, _typed(brand))

    @router.post("/details")
    def save_details(
        request: Request,
        brand_id: str,
        revision: Annotated[int, Form()],
        price_category: Annotated[list[str], Form(default_factory=list)],
        price_amount: Annotated[list[str], Form(default_factory=list)],
        price_currency: Annotated[list[str], Form(default_factory=list)],
        name: Annotated[str, Form()] = "",
        aliases: Annotated[str, Form()] = "",
        wordmarks: Annotated[str, Form()] = "",
        categories: Annotated[str, Form()] = "",
        amount: Annotated[str, Form()] = "",
        currency: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        rows = list(zip_longest(price_category, price_amount, price_currency, fillvalue=""))
        typed = _Typed(name, aliases, wordmarks, categories, amount, currency, rows, revision)
        try:
            details = _details(typed, brand.authorised_sellers)
            registry.update_brand(
                actor=person.actor, brand_id=brand.id, details=details, expected_revision=typed.revision
            )
        except RegistryError as error:
            return _page(request, person, brand, typed, error)
        return go(brand_path(brand, "details?done=saved"))

    @router.post("/sellers")
    def change_sellers(
        request: Request,
        brand_id: str,
        revision: Annotated[int, Form()],
        seller_id: Annotated[str, Form()] = "",
        valid_from: Annotated[str, Form()] = "",
        valid_until: Annotated[str, Form()] = "",
        remove: Annotated[int | None, Form()] = None,
        table: UploadFile | None = None,
        person: Person = Depends(access.person),
    ) -> Response:
        """One seller more, one less (`remove` counts from 0), or all of them anew from a file."""
        brand = registry.get_brand(own(person.key, brand_id))
        try:
            if table is not None and table.size:
                sellers = read_sellers(table.file.read(_CSV_BYTES + 1))
            elif remove is not None:
                sellers = tuple(seller for n, seller in enumerate(brand.authorised_sellers) if n != remove)
            else:
                sellers = (*brand.authorised_sellers, _seller(seller_id, valid_from, valid_until))
            registry.update_brand(
                actor=person.actor,
                brand_id=brand.id,
                details=replace(brand.details, authorised_sellers=sellers),
                expected_revision=revision,
            )
        except RegistryError as error:
            return _page(request, person, brand, _typed(brand), error)
        return go(brand_path(brand, "details?done=saved#sellers"))

    @router.get("/sellers.csv")
    def download_sellers(brand_id: str, person: Person = Depends(access.person)) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        return file(write_sellers(brand.authorised_sellers), "text/csv; charset=utf-8", "authorised-sellers.csv")

    return router


def read_sellers(data: bytes) -> tuple[AuthorisedSeller, ...]:
    """The sellers of a CSV file in UTF-8 with `COLUMNS` in its first line. Raises Invalid."""
    if len(data) > _CSV_BYTES:
        raise Invalid("The file is too large.", code="invalid_csv", field="table")
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid("The file is not CSV in UTF-8.", code="invalid_csv", field="table") from error
    if rows and not {"seller_id"} <= set(rows[0]) <= set(COLUMNS):
        raise Invalid("The first line does not name the columns.", code="invalid_csv", field="table")
    return tuple(_seller(*(plain(row.get(column) or "") for column in COLUMNS)) for row in rows)


def write_sellers(sellers: Sequence[AuthorisedSeller]) -> bytes:
    """The sellers as a CSV file that `read_sellers` reads and that no spreadsheet takes for formulas."""
    rows = (
        (seller.seller_id, *(day.isoformat() if day else "" for day in (seller.valid_from, seller.valid_until)))
        for seller in sellers
    )
    return "".join(lines(COLUMNS, rows)).encode()


def _page(
    request: Request, person: Person, brand: Brand, typed: _Typed, fault: RegistryError | None = None
) -> Response:
    return show(
        request,
        "details.html",
        person=person,
        status=fault.status if fault else 200,
        section="details",
        brand=brand,
        typed=typed,
        fault=fault,
        shown=SHOWN,
    )


def _typed(brand: Brand) -> _Typed:
    price = brand.reference_price
    return _Typed(
        brand.name,
        "\n".join(brand.aliases),
        "\n".join(brand.wordmarks),
        "\n".join(brand.categories),
        format(price.amount, "f") if price else "",
        price.currency if price else "",
        [(category, format(own.amount, "f"), own.currency) for category, own in brand.reference_prices],
        brand.revision,
    )


def _details(typed: _Typed, sellers: tuple[AuthorisedSeller, ...]) -> BrandDetails:
    return BrandDetails(
        name=typed.name,
        aliases=_lines(typed.aliases),
        wordmarks=_lines(typed.wordmarks),
        categories=_lines(typed.categories),
        reference_price=_price(typed.amount, typed.currency) if typed.amount.strip() else None,
        authorised_sellers=sellers,
        reference_prices=tuple(
            CategoryPrice(category, _price(amount, currency))
            for category, amount, currency in typed.prices
            if category.strip() or amount.strip()
        ),
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _price(amount: str, currency: str) -> Price:
    try:
        return Price(Decimal(amount.strip()[:40]), currency.strip().upper())
    except InvalidOperation:
        raise Invalid("The amount is not a number.", code="invalid_price", field="amount") from None


def _seller(seller_id: str, valid_from: str, valid_until: str) -> AuthorisedSeller:
    try:
        days = [date.fromisoformat(text.strip()) if text.strip() else None for text in (valid_from, valid_until)]
    except ValueError:
        raise Invalid("A day is YYYY-MM-DD.", code="invalid_day", field="valid_from") from None
    return AuthorisedSeller(seller_id, *days)
