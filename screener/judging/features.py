"""What the judge looks at: every feature's name, unit, direction and meaning, in the one order of serving and training.

A value is a float; NaN says "not known" and speaks neither for nor against. `docs/features.md` has the table below,
and a judge is refused whose features are not exactly these.
"""

from dataclasses import dataclass
from typing import Final, Literal

VERSION: Final = "features-1"
"""Changes with any name, order, unit or meaning below; recorded with every screening."""

Stage = Literal["recognition", "pictures", "hashes", "words", "price", "seller", "buyers", "quality"]
STAGES: Final[tuple[Stage, ...]] = (
    "recognition", "pictures", "hashes", "words", "price", "seller", "buyers", "quality"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of the judge.

    `low` and `high` bound the value (what lies beyond counts as the bound). `direction` is how the probability of a
    counterfeit may move as the value grows: +1 never down, -1 never up, 0 either way. `anchor` is the value that adds
    nothing, "nothing found"; `optional` says that it may be missing, which adds nothing either. None as anchor: only a
    missing value adds nothing, so that a usual one may speak for the seller. `against` and `in_favour` are the
    reason codes where it raises and where it lowers the probability.
    """

    name: str
    unit: str
    low: float
    high: float
    direction: Literal[-1, 0, 1]
    stage: Stage
    against: str
    in_favour: str
    meaning: str
    anchor: float | None = 0.0
    optional: bool = False


FEATURES: Final[tuple[Feature, ...]] = (
    Feature(
        "fake_copy", "margin", 0, 1, +1, "pictures", "known_fake_copy", "known_fake_copy",
        "How surely a picture is a copy of a registered known fake's and not of an official or negative one: 0 at the"
        " threshold, 1 for the same picture.",
    ),
    Feature(
        "fake_look", "margin", 0, 1, +1, "pictures", "known_fake_look", "known_fake_look",
        "How much nearer a picture's item is to a known fake than to any original or negative; 0.5 to 1, or 0.",
    ),
    Feature(
        "official_copy", "margin", 0, 1, 0, "pictures", "official_photo", "official_photo",
        "How surely a picture is a copy of one of the recognised brand's own.",
    ),
    Feature(
        "official_share", "share", 0, 1, 0, "pictures", "official_photo", "official_photo",
        "Pictures that are copies of the brand's own, of all that were screened.",
    ),
    Feature(
        "negative_look", "margin", 0, 1, -1, "pictures", "negative_match", "negative_match",
        "How surely the pictures show something registered as looking like the brand's and not being it.",
    ),
    Feature(
        "brand_evidence", "share", 0, 1, 0, "recognition", "brand_recognised", "brand_unknown",
        "How surely the listing is of the recognised brand; 0 where none is recognised.", 0.85,
    ),
    Feature(
        "looks_only", "0 or 1", 0, 1, 0, "recognition", "looks_only", "looks_only",
        "The brand is told by the item's looks alone: no word, no mark, no official picture names it.",
    ),
    Feature(
        "mentioned_only", "0 or 1", 0, 1, 0, "recognition", "mentioned_only", "mentioned_only",
        "The words name the brand only as something that the item goes with or is like; pictures show it.",
    ),
    Feature(
        "authorised_seller", "0 or 1", 0, 1, -1, "seller", "seller_authorised", "seller_authorised",
        "The seller is among the recognised brand's authorised sellers on the day; missing without a brand.", 0.0, True,
    ),
    Feature(
        "price_ratio", "log2", -6, 3, -1, "price", "price_far_below_reference", "price_as_usual",
        "Price divided by the brand's reference price for the category; missing without either, in another currency, or"
        " where only the item's looks name the brand.", None, True,
    ),
    Feature(
        "replica_words", "strength", 0, 2, +1, "words", "replica_words", "replica_words",
        "Vocabulary of copies: 1 weak, 2 outright; half of that where no brand is recognised.",
    ),
    Feature(
        "name_disguised", "0 or 1", 0, 1, +1, "words", "disguised_brand_name", "disguised_brand_name",
        "The brand's name is spelt so as to escape a search for it, and nowhere plainly.",
    ),
    Feature(
        "brands_disagree", "0 or 1", 0, 1, +1, "words", "brand_disagreement", "brand_disagreement",
        "The words claim one registered brand, the pictures show another.",
    ),
    Feature(
        "declared_disagrees", "0 or 1", 0, 1, +1, "words", "declared_brand_differs", "declared_brand_differs",
        "The declared brand is another than the recognised one, or none at all.",
    ),
    Feature(
        "mark_covered", "share", 0, 1, +1, "pictures", "mark_covered", "mark_covered",
        "How surely a patch of a picture of the brand's item is covered, pixelated or blurred on purpose, in a picture"
        " in which no mark is recognised.",
    ),
    Feature(
        "seller_age", "log10 days", 0, 4, -1, "seller", "seller_new", "seller_established",
        "Days since the seller registered, plus one; missing where the marketplace does not say.", None, True,
    ),
    Feature(
        "seller_sales", "log10", 0, 6, -1, "seller", "seller_new", "seller_established",
        "Completed sales, plus one; missing where the marketplace does not say.", 2.0, True,
    ),
    Feature(
        "upheld_reports", "log2", 0, 6, +1, "seller", "seller_upheld_reports", "seller_no_reports",
        "Reports of counterfeits upheld against the seller, plus one; missing where it is not told.", 0.0, True,
    ),
    Feature(
        "known_fake_listings", "log2", 0, 6, +1, "seller", "seller_known_fakes", "seller_known_fakes",
        "Other listings of the seller in the last year with a copy of a known fake's picture, plus one.",
    ),
    Feature(
        "linked_known_fakes", "log2", 0, 6, +1, "seller", "linked_sellers", "linked_sellers",
        "The same of the shops that the marketplace links to the seller.",
    ),
    Feature(
        "complaints", "log2", 0, 6, +1, "buyers", "buyer_complaints", "no_complaints",
        "Buyers who doubted that the item is genuine, plus one; missing where it is not told.", 0.0, True,
    ),
    Feature(
        "photo_reuse", "share", 0, 1, 0, "hashes", "photos_reused", "photos_own",
        "Pictures that unlinked sellers published in the last year, of all.",
    ),
    Feature(
        "pictures", "log2", 0, 4, 0, "quality", "few_pictures", "many_pictures",
        "Number of pictures, plus one.", 2.0,
    ),
    Feature(
        "sharpness", "share", 0, 1, 0, "quality", "pictures_blurred", "pictures_sharp",
        "Median sharpness of the pictures; missing without any.", 0.7, True,
    ),
)  # fmt: skip

NAMES: Final[tuple[str, ...]] = tuple(feature.name for feature in FEATURES)
