"""Texts of a filled database: requests, answers and times as the service stores them."""

import json
from datetime import datetime
from typing import Any, Final

_REASONS: Final = [
    {"code": code, "contribution": 0.5, "message": "A sentence that says why, about as long as the real ones are."}
    for code in ("price_far_below_reference", "seller_new", "few_pictures", "official_photo", "brand_recognised")
]


def time_text(at: datetime) -> str:
    """A time as SQLAlchemy stores it in SQLite."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def entry(brand_id: str | None, reference_id: str, kind: str, position: int) -> dict[str, Any]:
    """An entry of an answer's evidence."""
    return {
        "image": position % 2,
        "frame": 0,
        "box": [0.0, 0.0, 1.0, 1.0],
        "reference_id": reference_id,
        "brand_id": brand_id,
        "kind": kind,
        "use": "product",
        "score": 0.8,
        "method": "vector",
    }


def request_text(listing: str, shop: str, number: int) -> str:
    """The request of a screening as JSON, about as long as real ones."""
    return json.dumps(
        {
            "listing_id": listing,
            "title": f"Item {number} of a benchmark, size 42, new with box",
            "seller_id": shop,
            "revision": 1,
            "description": "A description of ordinary length that says what is sold and how it is sent. " * 4,
            "brand": None,
            "category": "bags",
            "price": {"amount": "49.90", "currency": "EUR"},
            "language": "en",
            "complaints": None,
            "seller": {"registered_on": "2024-01-01", "sales": 40, "upheld_reports": 0, "linked": []},
        }
    )


def answer_text(
    identifier: str,
    listing: str,
    verdict: str,
    owner: str | None,
    evidence: list[dict[str, Any]],
    images: list[str],
    at: datetime,
) -> str:
    """The answer of a screening as JSON, with what lists and cases read of it."""
    return json.dumps(
        {
            "id": identifier,
            "listing_id": listing,
            "revision": 1,
            "created_at": at.isoformat(),
            "verdict": verdict,
            "hint": "publish",
            "probability": 0.5,
            "calibrated_on": "simulation",
            "brand": {
                "status": "recognised" if owner else "unknown",
                "id": owner,
                "name": "Benchmark brand" if owner else None,
                "recognised_by": ["pictures"] if owner else [],
                "confidence": 0.9 if owner else 0.0,
                "looks_only": False,
            },
            "base_log_odds": -3.9,
            "reasons": _REASONS,
            "evidence": evidence,
            "words": [],
            "prompt": None,
            "images": [
                {"position": n, "status": "screened", "code": None, "sha256": sha256} for n, sha256 in enumerate(images)
            ],
            "checks": [],
            "rescreen": False,
            "release": "rel_benchmark",
            "timings_ms": {"total": 8.0},
        }
    )
