"""Which registered brand a listing shows, by its words and by its pictures; or that nobody registered it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from screener.directory import Directory
from screener.listing import Listing
from screener.match import Match
from screener.words import Name, is_unbranded

Status = Literal["recognised", "unknown", "none"]


@dataclass(frozen=True, slots=True)
class Recognition:
    """The brand, and what led to it.

    `status` is `recognised` (registered, `brand_id` says which), `unknown` (a brand nobody registered, or none that we
    can tell), or `none` (the seller declares that there is no brand, and nothing speaks against it). `recognised_by`
    holds `words` and/or `pictures`; `disguised` marks a name found only after putting its spelling right;
    `disagreement` that words and pictures name different brands.
    """

    status: Status
    brand_id: str | None = None
    recognised_by: tuple[str, ...] = ()
    disguised: bool = False
    disagreement: bool = False


def recognise(listing: Listing, directory: Directory, matches: Sequence[Match]) -> Recognition:
    """Decides on one brand: what pictures and words agree on, else the pictures, else the words.

    Pictures go first because they are what a buyer judges by, and because words are cheaper to twist.
    """
    names = names_in(listing, directory)
    shown = _by_pictures(matches)
    if shown is None and not names:
        declared_none = listing.brand is not None and is_unbranded(listing.brand)
        return Recognition("none" if declared_none else "unknown")
    worded = {name.brand_id: name for name in names}
    if shown is None:
        name = names[0]
        return Recognition("recognised", name.brand_id, ("words",), disguised=name.disguised)
    if shown in worded:
        return Recognition("recognised", shown, ("words", "pictures"), disguised=worded[shown].disguised)
    return Recognition("recognised", shown, ("pictures",), disagreement=_contradicts(listing, worded))


def names_in(listing: Listing, directory: Directory) -> tuple[Name, ...]:
    """Registered names in the listing's words: declared brand first, then title, then description."""
    found: dict[str, Name] = {}
    for text in (listing.brand or "", listing.title, listing.description):
        for name in directory.words.find(text):
            known = found.get(name.brand_id)
            if known is None or (known.disguised and not name.disguised):
                found[name.brand_id] = name
    return tuple(found.values())


def _by_pictures(matches: Sequence[Match]) -> str | None:
    """The brand with the most evidence: the margins of its best match in each use and picture, added up."""
    evidence: dict[str, dict[tuple[int, str], float]] = defaultdict(dict)
    for match in matches:
        if match.kind != "negative":
            place = (match.image, match.use)
            evidence[match.brand_id][place] = max(evidence[match.brand_id].get(place, 0.0), match.margin + 0.01)
    rejected = {match.brand_id: match.margin for match in reversed(matches) if match.kind == "negative"}
    totals = {
        brand: sum(places.values())
        for brand, places in evidence.items()
        # A better match with a picture that looks like the brand and is not speaks against it.
        if rejected.get(brand, -1.0) < max(places.values())
    }
    return max(sorted(totals), key=lambda brand: totals[brand]) if totals else None


def _contradicts(listing: Listing, worded: dict[str, Name]) -> bool:
    """Whether the words name another brand: a registered one, or a declared one that is not the brand shown."""
    declared = listing.brand is not None and bool(listing.brand.strip()) and not is_unbranded(listing.brand)
    return bool(worded) or declared
