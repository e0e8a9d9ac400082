"""Every table of the truth, as SQLAlchemy Core tables; the migrations must arrive at exactly this."""

from brands.schema.base import metadata
from brands.schema.governance import notices, reference_impacts, standings
from brands.schema.people import api_keys, sessions
from brands.schema.pictures import embeddings, picture_facts, picture_texts
from brands.schema.registry import (
    authorised_sellers,
    brand_aliases,
    brand_categories,
    brand_wordmarks,
    brands,
    reference_prices,
    references,
    registry_state,
)
from brands.schema.review import decisions, response_images, responses, reviews
from brands.schema.screenings import daily_counts, idempotency, screening_images, screening_matches, screenings
from brands.schema.trace import audit, audit_checkpoints, audit_head, erasures, legal_holds, receipts

__all__ = [
    "api_keys",
    "audit",
    "audit_checkpoints",
    "audit_head",
    "authorised_sellers",
    "brand_aliases",
    "brand_categories",
    "brand_wordmarks",
    "brands",
    "daily_counts",
    "decisions",
    "embeddings",
    "erasures",
    "idempotency",
    "legal_holds",
    "metadata",
    "notices",
    "picture_facts",
    "picture_texts",
    "receipts",
    "reference_impacts",
    "reference_prices",
    "references",
    "registry_state",
    "response_images",
    "responses",
    "reviews",
    "screening_images",
    "screening_matches",
    "screenings",
    "sessions",
    "standings",
]
