"""Describes groups of unknown listings, and ranks them by how worthwhile it is to register their brands."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from screener.discover_groups import Group
from screener.discover_names import Claims, words_in
from screener.discover_read import Unknown

SAMPLES: Final = 5
TOP_WORDS: Final = 8
CATEGORIES: Final = 3
RECENT: Final = 0.25
"""The last quarter of the time is compared with the rest for growth."""
HALF_LIFE: Final = timedelta(days=7)
"""In so much time since its last listing, the points of a group for being recent halve."""
LIFT: Final = 3.0
"""How much more frequent a word must be in a group than elsewhere to say something of it."""
NAMED_POINTS: Final = {"declared": 2.0, "pictures": 1.0}
NAMED_BY: Final = 0.3
"""Share of a group's listings that must have a word, in the title or in a picture, before it is suggested as a name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for a group's goods in one currency: the 10th percentile, median and 90th, and the median times the
    number of listings with such a price."""

    currency: str
    listings: int
    low: Decimal
    median: Decimal
    high: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class Sample:
    """One listing of a group, of another seller than the others as far as there are enough."""

    listing_id: str
    screening_id: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """A group of unknown listings that are likely of one brand.

    `name` is the spelling most declared, else (`named_by` "pictures" or "title") the word that stands out, else None;
    `names` all spellings declared. `growth` is listings in the last quarter of the time over what an even flow would
    bring (1: even); `replica_share` the share of listings that use the vocabulary of copies. `points` are the parts of
    `score`, by which discoveries are ordered.
    """

    name: str | None
    named_by: str | None
    names: tuple[str, ...]
    listings: int
    sellers: int
    asked: tuple[Asked, ...]
    growth: float
    replica_share: float
    top_words: tuple[str, ...]
    categories: tuple[str, ...]
    first_seen: datetime
    last_seen: datetime
    samples: tuple[Sample, ...]
    points: Mapping[str, float]
    score: float

    def record(self) -> dict[str, Any]:
        """The discovery as JSON values."""
        fields = asdict(self)
        for asked in fields["asked"]:
            asked |= {key: format(asked[key], "f") for key in ("low", "median", "high", "value")}
        times = {key: json_time(fields[key]) for key in ("first_seen", "last_seen")}
        lists = ("names", "asked", "top_words", "categories", "samples")
        return fields | times | {key: list(fields[key]) for key in lists}


def describe(
    listings: Sequence[Unknown], claimed: Claims, groups: Sequence[Group], *, since: datetime, now: datetime
) -> tuple[Discovery, ...]:
    """The groups in words and numbers, the most points first.

    Points: 2 for every doubling of the sellers and 1 for every doubling of the listings; up to 2 for the place of its
    asked value among the groups with that currency; -2 to 2 for growth, 1 for every doubling; up to 2 for being recent;
    up to 4 for the share of listings that say they are copies; 2 for a name that is declared, 1 for one that is read in
    the pictures, since goods of no brand at all also come in groups.
    """
    titled = [frozenset(words_in(listing.title)) for listing in listings]
    read = [frozenset(word for line in listing.read for word in words_in(line)) for listing in listings]
    spread = Counter(word for title, lines in zip(titled, read, strict=True) for word in title | lines)
    ranks = _value_ranks(listings, groups)
    found = []
    for number, group in enumerate(groups):
        members = [listings[n] for n in group.members]
        words = _standing_out([titled[n] | read[n] for n in group.members], spread, len(listings))
        texts = {"pictures": [read[n] for n in group.members], "title": [titled[n] for n in group.members]}
        name, named_by = _name(group, claimed, words, texts)
        recent = sum(listing.at >= now - (now - since) * RECENT for listing in members)
        growth = (recent + 1) / (RECENT * len(members) + 1)
        replica = sum(listing.replica for listing in members) / len(members)
        last = max(listing.at for listing in members)
        points = {
            "sellers": 2 * math.log2(len({listing.seller_id for listing in members})),
            "listings": math.log2(len(members)),
            "value": 2 * ranks[number],
            "growth": min(max(math.log2(growth), -2.0), 2.0),
            "recency": 2 * 0.5 ** ((now - last) / HALF_LIFE),
            "replica": 4 * replica,
            "named": NAMED_POINTS.get(named_by or "", 0.0),
        }
        points = {part: round(value, 2) for part, value in points.items()}
        discovery = Discovery(
            name=name,
            named_by=named_by,
            names=tuple(claimed.spellings[key] for key in group.keys),
            listings=len(members),
            sellers=len({listing.seller_id for listing in members}),
            asked=_asked(members),
            growth=round(growth, 2),
            replica_share=round(replica, 3),
            top_words=tuple(words[:TOP_WORDS]),
            categories=_most_common([listing.category for listing in members if listing.category], CATEGORIES),
            first_seen=min(listing.at for listing in members),
            last_seen=last,
            samples=_samples(members),
            points=points,
            score=round(sum(points.values()), 2),
        )
        found.append(discovery)
    return tuple(sorted(found, key=lambda item: (-item.score, item.samples[0].screening_id)))


def _name(
    group: Group, claimed: Claims, words: Sequence[str], texts: Mapping[str, Sequence[frozenset[str]]]
) -> tuple[str | None, str | None]:
    """A name for the group and where it is from: declared, or of the words that stand out the first that is in enough
    of the `texts` of a source."""
    if group.keys:
        return claimed.spellings[group.keys[0]], "declared"
    for source, found in texts.items():
        for word in words:
            if len(word) >= 3 and sum(word in text for text in found) >= NAMED_BY * len(found):
                return word, source
    return None, None


def _standing_out(texts: Sequence[frozenset[str]], spread: Mapping[str, int], total: int) -> list[str]:
    """The words that are `LIFT` times as frequent in the group as elsewhere, by tf-idf: share of the group's listings
    that have it, times the log of its rarity among all."""
    inside = Counter(word for text in texts for word in text)
    elsewhere = max(total - len(texts), 1)
    share = {word: count / len(texts) for word, count in inside.items() if count >= 2}
    kept = [word for word in share if share[word] >= LIFT * (spread[word] - inside[word]) / elsewhere]
    return sorted(kept, key=lambda word: (-share[word] * math.log((total + 1) / spread[word]), word))


def _value_ranks(listings: Sequence[Unknown], groups: Sequence[Group]) -> list[float]:
    """Of each group the best place, 0..1, of its asked value among the groups of a currency: sums of unlike currencies
    cannot be compared."""
    values: dict[str, dict[int, Decimal]] = {}
    for number, group in enumerate(groups):
        for asked in _asked([listings[n] for n in group.members]):
            values.setdefault(asked.currency, {})[number] = asked.value
    ranks = [0.0] * len(groups)
    for of_group in values.values():
        for place, number in enumerate(sorted(of_group, key=lambda number: (of_group[number], -number)), start=1):
            ranks[number] = max(ranks[number], place / len(of_group))
    return ranks


def _asked(members: Sequence[Unknown]) -> tuple[Asked, ...]:
    """By currency, the one with most listings first; an amount of 0 is no price."""
    amounts: dict[str, list[Decimal]] = {}
    for listing in members:
        if listing.amount and listing.currency:
            amounts.setdefault(listing.currency, []).append(listing.amount)
    found = []
    for currency, prices in amounts.items():
        low, median, high = (sorted(prices)[int(share * (len(prices) - 1) + 0.5)] for share in (0.1, 0.5, 0.9))
        found.append(Asked(currency, len(prices), low, median, high, median * len(prices)))
    return tuple(sorted(found, key=lambda asked: (-asked.listings, asked.currency)))


def _samples(members: Sequence[Unknown]) -> tuple[Sample, ...]:
    """The newest listing of each seller first, then the others."""
    newest = sorted(members, key=lambda listing: listing.screening_id, reverse=True)
    by_seller = {listing.seller_id: listing for listing in reversed(newest)}
    first = sorted(by_seller.values(), key=lambda listing: listing.screening_id, reverse=True)
    chosen = dict.fromkeys([*first, *newest])
    return tuple(Sample(listing.listing_id, listing.screening_id) for listing in [*chosen][:SAMPLES])


def _most_common(texts: Sequence[str], most: int) -> tuple[str, ...]:
    counts = Counter(texts)
    return tuple(sorted(counts, key=lambda text: (-counts[text], text))[:most])


def json_time(at: datetime) -> str:
    """A time as the API writes it: UTC, milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
