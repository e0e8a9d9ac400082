"""The frozen open-set suite: honest listings of things that nobody registered, the same for every candidate.

Rendered goods that are of no brand, look like a brand's, go with one, or are something else altogether, with the words,
prices and facts of honest sellers in eight languages (`training.market`). Nobody may be prompted for any of them. The
suite is drawn once per seed and kept with the hash of every picture.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np

from screener.listing import Listing, ListingPrice, SellerFacts
from training.candidate.replay import Item
from training.errors import TrainingError
from training.market.goods import Ask, Product
from training.market.model import Market, load_market
from training.market.rendered import Rendered
from training.market.retouch import finished
from training.market.wording import LANGUAGES, write_words
from training.progress import progress

FORMAT: Final = 1
SIZE: Final = 240
GOODS: Final = ("unrelated", "lookalike", "unbranded", "accessory")
SUITE, PICTURES = "suite.json", "pictures"
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When every listing of the suite is screened: it only matters for the age of sellers."""
_STYLES: Final = {"unrelated": "unrelated", "lookalike": "honest", "unbranded": "honest", "accessory": "accessory"}


def open_suite(folder: Path, *, size: int = SIZE, seed: int = 11, workers: int = 2) -> list[Item]:
    """The suite of about `size` listings, made in `folder` if it is not there.

    Raises
    ------
    TrainingError
        where the folder holds another suite, or a picture was changed
    """
    wanted = {"format": FORMAT, "size": size, "seed": seed}
    path = folder / SUITE
    if not path.is_file():
        _make(folder, wanted, size, seed, workers)
    kept = json.loads(path.read_bytes())
    if {name: kept.get(name) for name in wanted} != wanted:
        raise TrainingError(f"{folder} holds another open-set suite; name another folder")
    return [_item(folder, row) for row in kept["rows"]]


def suite_id(items: Sequence[Item]) -> str:
    """`ost_` and 16 hex digits of what is in the suite."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(json.dumps(item.listing.record(), sort_keys=True).encode())
        digest.update(b"".join(item.images))
    return f"ost_{digest.hexdigest()[:16]}"


def _make(folder: Path, wanted: Mapping[str, Any], size: int, seed: int, workers: int) -> None:
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    market = load_market()
    source = Rendered(market, seed)
    rows = list(_goods(folder, market, source, size, seed, workers))
    (folder / SUITE).write_text(json.dumps({**wanted, "rows": rows}, ensure_ascii=False, indent=1), encoding="utf-8")


def _goods(
    folder: Path, market: Market, source: Rendered, size: int, seed: int, workers: int
) -> Iterator[dict[str, Any]]:
    chosen = [product for goods in GOODS for product in _some(source.others(goods), size // len(GOODS))]
    asks = [Ask("own", product.id, 0) for product in chosen]
    if workers > 1:
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(source,)
        ) as pool:
            painted = list(zip(chosen, pool.map(_paint, progress(asks, "Open set"), chunksize=8), strict=True))
    else:
        _begin(source)
        painted = [(product, _paint(ask)) for product, ask in zip(chosen, progress(asks, "Open set"), strict=True)]
    for number, (product, data) in enumerate(painted):
        yield _row(folder, _listing(market, product, number, seed), [data])


def _some(products: Sequence[Product], count: int) -> list[Product]:
    """`count` of the products, spread evenly over all of them."""
    places = np.unique(np.linspace(0, len(products) - 1, min(count, len(products))).astype(int))
    return [products[place] for place in places.tolist()]


def _listing(market: Market, product: Product, number: int, seed: int) -> Listing:
    rng = np.random.default_rng([seed, number])
    goods = product.id.partition("/")[0]
    language = LANGUAGES[number % len(LANGUAGES)]
    style = _STYLES[goods]
    words = write_words(
        rng, language, product.noun, market.words[style], brand=None, style=style, rates=market.raw["words_all"]
    )
    seller = market.sellers["private" if rng.random() < 0.7 else "shop"]
    return Listing(
        listing_id=f"suite-{number}",
        title=words.title,
        seller_id=f"suite-{number}",
        description=words.description,
        brand=words.brand,
        category=product.category,
        price=ListingPrice(Decimal(str(round(product.price * float(rng.uniform(0.3, 1.1)), 2))), "EUR"),
        language=language,
        seller=SellerFacts(
            registered_on=(AT - timedelta(days=round(seller.age * float(rng.lognormal(0, seller.age_sigma))))).date(),
            sales=round(seller.sales * float(rng.lognormal(0, seller.sales_sigma))),
            upheld_reports=0,
        ),
    )


_worker: dict[str, Rendered] = {}


def _begin(source: Rendered) -> None:
    _worker["source"] = source


def _paint(ask: Ask) -> bytes:
    return finished(_worker["source"].paint(ask), ())


def _row(folder: Path, listing: Listing, pictures: Sequence[bytes]) -> dict[str, Any]:
    hashes = [hashlib.sha256(data).hexdigest() for data in pictures]
    for sha256, data in zip(hashes, pictures, strict=True):
        (folder / PICTURES / sha256).write_bytes(data)
    return {"listing": listing.record(), "pictures": hashes}


def _item(folder: Path, row: Mapping[str, Any]) -> Item:
    images = tuple((folder / PICTURES / sha256).read_bytes() for sha256 in row["pictures"])
    if [hashlib.sha256(data).hexdigest() for data in images] != row["pictures"]:
        raise TrainingError(f"{folder}: a picture of the open-set suite was changed; remove the folder")
    listing = Listing.of_record(row["listing"])
    return Item(listing.listing_id, listing, images, AT)
