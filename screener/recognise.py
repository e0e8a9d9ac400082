"""Which registered brand a listing shows, by its words and by its pictures; or that nobody registered it."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from screener.directory import Directory
from screener.listing import Listing
from screener.match import Matches
from screener.words import Name, is_unbranded

Status = Literal["recognised", "unknown", "none"]


@dataclass(frozen=True, slots=True)
class Recognition:
    """The brand, and what led to it.

    `status` is `recognised` (registered, `brand_id` says which), `unknown` (a brand nobody registered, or none that we
    can tell), or `none` (the seller declares that there is no brand, and nothing speaks against it). `recognised_by`
    holds `words` and/or `pictures`; `disguised` marks a name found only after putting its spelling right;
    `disagreement` that words and pictures name different brands. `by_looks_only` is a brand that neither words nor a
    mark nor an official picture name: other makers' goods may look like that.
    """

    status: Status
    brand_id: str | None = None
    recognised_by: tuple[str, ...] = ()
    disguised: bool = False
    disagreement: bool = False
    by_looks_only: bool = False


def recognise(listing: Listing, directory: Directory, matches: Matches) -> Recognition:
    """Decides on one brand: what pictures and words agree on, else the pictures, else the words.

    Pictures go first because they are what a buyer judges by, and because words are cheaper to twist.
    """
    names = names_in(listing, directory)
    ranking = _by_pictures(matches)
    worded = {name.brand_id: name for name in names}
    shown = next((brand for brand in ranking if brand in worded), ranking[0] if ranking else None)
    if shown is None and not names:
        declared_none = listing.brand is not None and is_unbranded(listing.brand)
        return Recognition("none" if declared_none else "unknown")
    if shown is None:
        name = names[0]
        return Recognition("recognised", name.brand_id, ("words",), disguised=name.disguised)
    if shown in worded:
        return Recognition("recognised", shown, ("words", "pictures"), disguised=worded[shown].disguised)
    return Recognition(
        "recognised",
        shown,
        ("pictures",),
        disagreement=_contradicts(listing, worded),
        by_looks_only=all(match.use == "product" for match in matches.shown if match.brand_id == shown),
    )


def names_in(listing: Listing, directory: Directory) -> tuple[Name, ...]:
    """Registered names in the listing's words: declared brand first, then title, then description."""
    found: dict[str, Name] = {}
    for text in (listing.brand or "", listing.title, listing.description):
        for name in directory.words.find(text):
            known = found.get(name.brand_id)
            if known is None or (known.disguised and not name.disguised):
                found[name.brand_id] = name
    return tuple(found.values())


def _by_pictures(matches: Matches) -> list[str]:
    """The brands shown, first the one that most pictures show, in most ways; of equals the one with higher scores."""
    votes: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for match in matches.shown:
        count, total = votes[match.brand_id]
        votes[match.brand_id] = count + 1, total + match.score
    return sorted(sorted(votes), key=lambda brand: votes[brand], reverse=True)


def _contradicts(listing: Listing, worded: dict[str, Name]) -> bool:
    """Whether the words name another brand: a registered one, or a declared one that is not the brand shown."""
    declared = listing.brand is not None and bool(listing.brand.strip()) and not is_unbranded(listing.brand)
    return bool(worded) or declared
