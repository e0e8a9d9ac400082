"""Finds the brands worth registering among listings of brands that nobody registered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from brands.database import Database
from screener.bundle import Bundle
from screener.discover_graph import link_score
from screener.discover_groups import group_listings
from screener.discover_names import claims
from screener.discover_rank import Discovery, describe, json_time
from screener.discover_read import count_unknown, picture_vectors, unknown_listings
from screener.match import thresholds


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked through (the newest `listings` of `unknown` in the time, with `pictures`), and what was found."""

    since: datetime
    at: datetime
    unknown: int
    listings: int
    pictures: int
    discoveries: tuple[Discovery, ...]

    def record(self, most: int) -> dict[str, Any]:
        """As JSON values, with the first `most` discoveries."""
        counts = {key: getattr(self, key) for key in ("unknown", "listings", "pictures")}
        times = {"since": json_time(self.since), "at": json_time(self.at)}
        return times | counts | {"discoveries": [found.record() for found in self.discoveries[:most]]}


def find_discoveries(
    database: Database, bundle: Bundle, *, days: int, most_listings: int, now: Callable[[], datetime]
) -> Found:
    """All groups among the unknown listings of the last `days`, the most worthwhile first.

    `most_listings` bounds the work: the newest are looked through. Vectors of another encoder than the bundle's do not
    count; such listings are grouped by their words.

    Raises
    ------
    RegistryError
        the database cannot be reached
    """
    at = now()
    since = at - timedelta(days=days)
    with database.read() as connection:
        unknown = count_unknown(connection, since)
        listings = unknown_listings(connection, since, most_listings)
        pictures = list(dict.fromkeys(sha256 for listing in listings for sha256 in listing.pictures))
        vectors = picture_vectors(connection, bundle, pictures)
    claimed = claims(listings)
    least = link_score(bundle, thresholds(bundle)["product"], len(vectors.matrix))
    groups = group_listings(listings, claimed, vectors, least)
    discoveries = describe(listings, claimed, groups, since=since, now=at)
    return Found(since, at, unknown, len(listings), len(vectors.matrix), discoveries)
