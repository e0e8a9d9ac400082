"""Every table of the truth, as SQLAlchemy Core tables; the migrations must arrive at exactly this."""

from brands.schema.appraisals import appraisals, spot_check_plans, spot_checks
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
from brands.schema.releases import model_releases, model_switches, shadow_judgements
from brands.schema.review import decisions, response_images, responses, reviews
from brands.schema.screenings import daily_counts, idempotency, screening_images, screening_matches, screenings
from brands.schema.sellers import rescreens, seller_actions, seller_events, seller_links
from brands.schema.signals import bursts, buyer_signals
from brands.schema.trace import audit, audit_checkpoints, audit_head, erasures, legal_holds, receipts
from brands.schema.webhooks import deliveries, outbox, webhook_endpoints

__all__ = [
    "api_keys",
    "appraisals",
    "audit",
    "audit_checkpoints",
    "audit_head",
    "authorised_sellers",
    "brand_aliases",
    "brand_categories",
    "brand_wordmarks",
    "brands",
    "bursts",
    "buyer_signals",
    "daily_counts",
    "decisions",
    "deliveries",
    "embeddings",
    "erasures",
    "idempotency",
    "legal_holds",
    "metadata",
    "model_releases",
    "model_switches",
    "notices",
    "outbox",
    "picture_facts",
    "picture_texts",
    "receipts",
    "reference_impacts",
    "reference_prices",
    "references",
    "registry_state",
    "rescreens",
    "response_images",
    "responses",
    "reviews",
    "screening_images",
    "screening_matches",
    "screenings",
    "seller_actions",
    "seller_events",
    "seller_links",
    "sessions",
    "shadow_judgements",
    "spot_check_plans",
    "spot_checks",
    "standings",
    "webhook_endpoints",
]
