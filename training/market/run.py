"""The benchmark from nothing to a report; what an earlier run left in its folder is not made again."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.market.dataset import ANSWERS, FEATURES, LISTINGS, load, read_lines
from training.market.evaluate import Decider, evaluate
from training.market.goods import Pictures
from training.market.model import load_market
from training.market.nearest import NEAREST, write_nearest
from training.market.photos import Photos
from training.market.prepare import prepare
from training.market.recognition import RECOGNITION, write_recognition
from training.market.rendered import Rendered
from training.market.screen import open_market, screen_market
from training.market.splits import check_leaks

LISTINGS_RENDERED, LISTINGS_PHOTOS = 4000, 1500
"""How many listings where nobody says: what two cores screen in minutes, and what the real photos suffice for."""
SAMPLE = 300
"""Listings that are screened again without words and without pictures."""


def screened_market(
    folder: Path,
    *,
    data: Path | None = None,
    listings: int | None = None,
    seed: int = 7,
    brands: int | None = None,
    bundle: str = "",
    sample: int = SAMPLE,
    again: bool = False,
) -> Mapping[str, Any]:
    """Makes the market and screens it, as far as `folder` does not have it; gives the settings of the market.

    `data` is a directory with the measuring sets (rendered pictures without it), `brands` how many rendered ones,
    `bundle` the encoder (the embedded one if empty), `again` screens what was screened before.

    Raises
    ------
    TrainingError
        where the folder holds another market, or `data` lacks what is needed
    Leak
        where the splits are not apart
    """
    market = load_market()
    source: Pictures = Photos(market, seed, data) if data else Rendered(market, seed, brands)
    number = listings or (LISTINGS_PHOTOS if data else LISTINGS_RENDERED)
    settings = prepare(folder, market, source, listings=number, seed=seed)
    done = all((folder / name).is_file() for name in (ANSWERS, FEATURES, NEAREST, RECOGNITION))
    if again or not done:
        rows = read_lines(folder / LISTINGS)
        check_leaks(rows)
        with (
            tempfile.TemporaryDirectory(prefix="market-") as scratch,
            open_market(folder, Path(scratch), bundle) as service,
        ):
            screen_market(folder, service)
            write_nearest(folder, service, rows)
            write_recognition(folder, service, rows, most=sample, seed=seed)
    return settings


def market_report(
    folder: Path, settings: Mapping[str, Any], *, command: str, decider: Decider | None = None, draws: int = 500
) -> dict[str, Any]:
    """The report of a screened market: of what was answered, or of what a `decider` makes of the features."""
    return evaluate(load(folder), folder, settings, command=command, decider=decider, draws=draws)
