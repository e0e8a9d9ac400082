"""Which registered brand a listing shows, by words, pictures and the words in these; or that nobody registered it."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from screener.directory import Directory
from screener.listing import Listing
from screener.match import HINT, Match, Matches
from screener.words import Name, is_unbranded

Status = Literal["recognised", "unknown", "none"]
Field = Literal["brand", "title", "description"]
FIELDS: Final[tuple[Field, ...]] = ("brand", "title", "description")

VOTE: Final = 0.02
"""What each further picture of a brand is worth, in units of `Sighting.excess`: it only orders brands about as near."""
NO_LIKENESS: Final = -HINT
"""The excess of a brand that no picture comes near."""
_FULL: Final = 0.5
"""Excess from which pictures leave no doubt."""
NO_SUPPORT: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Worded:
    """A registered name in the listing's words, and in which of them."""

    name: Name
    field: Field


@dataclass(frozen=True, slots=True)
class Recognition:
    """The brand, and what led to it.

    `status` is `recognised` (registered, `brand_id` says which), `unknown` (a brand nobody registered, or none that we
    can tell), or `none` (the seller declares that there is no brand, and nothing speaks against it). `recognised_by`
    holds `words`, `pictures`, `text`, `reading`; `confidence` 0..1 is how surely. `disguised` marks a name only ever
    written so as to escape a search; `disagreement` that words and pictures name different registered brands,
    `declared_differs` that the declared brand is another than the recognised one or none; `mentioned` that words only
    say the thing goes with the brand. `by_looks_only` is a brand that neither words nor a mark nor an official picture
    name: other makers' goods may look like that. `names` are the registered names in the words.
    """

    status: Status
    brand_id: str | None = None
    recognised_by: tuple[str, ...] = ()
    confidence: float = 0.0
    disguised: bool = False
    disagreement: bool = False
    declared_differs: bool = False
    mentioned: bool = False
    by_looks_only: bool = False
    names: tuple[Worded, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it is worth reading the words in the pictures: no brand, only looks for it, or words against it."""
        return self.status != "recognised" or self.by_looks_only or self.disagreement


def recognise(
    listing: Listing,
    names: tuple[Worded, ...],
    matches: Matches,
    support: Mapping[str, Mapping[str, float]] = NO_SUPPORT,
) -> Recognition:
    """Decides on one brand: what pictures and words agree on, else the pictures, else the words.

    Pictures go first because they are what a buyer judges by, and because words are cheaper to twist. `names` are those
    of `names_in`; `support` says by way (`text`, `reading`) and brand what it adds to the excess of a likeness
    (`screener.name_vectors`, `screener.package_words`).
    """
    claims = _claims(names)
    shown = _shown(matches, support)
    brand = next((brand for brand in shown if brand in claims), next(iter(shown), next(iter(claims), None)))
    if brand is None:
        declared_none = listing.brand is not None and is_unbranded(listing.brand)
        return Recognition("none" if declared_none else "unknown", names=names)
    found_by = (
        ("words", brand in claims),
        ("pictures", any(s.match.brand_id == brand and s.excess >= 0 for s in matches.sightings)),
        *((way, brands.get(brand, 0.0) > 0) for way, brands in support.items()),
    )
    ways = tuple(way for way, found in found_by if found)
    looks_only = ways == ("pictures",) and all(_is_look(match) for match in matches.shown if match.brand_id == brand)
    differs = _declares_another(listing, names, brand)
    if looks_only and differs and not is_unbranded(listing.brand or ""):
        # The seller names a maker, and nothing but the item's looks speaks against it.
        return Recognition("unknown", names=names)
    return Recognition(
        "recognised",
        brand,
        ways,
        confidence=_confidence(claims.get(brand), shown.get(brand), looks_only),
        disguised=brand in claims and claims[brand].name.how == "disguised",
        disagreement=bool(claims) and brand not in claims,
        declared_differs=differs,
        mentioned=brand not in claims and any(found.name.brand_id == brand for found in names),
        by_looks_only=looks_only,
        names=names,
    )


def names_in(listing: Listing, directory: Directory) -> tuple[Worded, ...]:
    """Registered names in the listing's words: declared brand first, then title, then description."""
    texts: dict[Field, str] = {"brand": listing.brand or "", "title": listing.title, "description": listing.description}
    return tuple(
        Worded(name, field)
        for field in FIELDS
        if texts[field]
        for name in directory.words.find(texts[field], category=listing.category)
    )


def _claims(names: tuple[Worded, ...]) -> dict[str, Worded]:
    """The brands that the words say the item is of, in the order of the words; of each the plainest spelling.

    The field `brand` is asked for as a claim, so whatever stands in it is one.
    """
    found: dict[str, Worded] = {}
    for worded in names:
        if worded.field != "brand" and worded.name.context != "claim":
            continue
        known = found.get(worded.name.brand_id)
        if known is None or (known.name.how == "disguised" and worded.name.how != "disguised"):
            found[worded.name.brand_id] = worded
    return found


def _shown(matches: Matches, support: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Excess of the brands that pictures show, by likeness and by what supports it; the surest first."""
    excess: dict[str, float] = defaultdict(lambda: NO_LIKENESS)
    votes = Counter(match.brand_id for match in matches.shown)
    for sighting in matches.sightings:
        excess[sighting.match.brand_id] = max(excess[sighting.match.brand_id], sighting.excess)
    for brands in support.values():
        for brand, more in brands.items():
            excess[brand] += more
    ranked = sorted(excess, key=lambda brand: (-excess[brand] - VOTE * votes[brand], brand))
    return {brand: excess[brand] for brand in ranked if excess[brand] >= 0}


def _is_look(match: Match) -> bool:
    """Whether a match says no more than that two things look alike: what is under the threshold of a copy is none."""
    return match.use == "product" or (match.use == "copy" and match.margin < 0)


def _confidence(claim: Worded | None, excess: float | None, looks_only: bool) -> float:
    """Words and pictures as independent witnesses; looks alone never count for more than words."""
    by_words = 0.0 if claim is None else 0.5 if claim.name.how == "disguised" else 0.7
    by_pictures = 0.0 if excess is None else 0.5 + 0.5 * min(excess / _FULL, 1.0)
    if looks_only:
        by_pictures = min(by_pictures, 0.7) - 0.2
    return round(1.0 - (1.0 - by_words) * (1.0 - by_pictures), 4)


def _declares_another(listing: Listing, names: tuple[Worded, ...], brand: str) -> bool:
    """Whether the declared brand is none or another one, registered or not."""
    if listing.brand is None or not listing.brand.strip():
        return False
    return not any(worded.field == "brand" and worded.name.brand_id == brand for worded in names)
