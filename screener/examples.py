"""Real requests and answers for the API documentation; a test holds them against the models and a running service."""

from typing import Any

LISTING: dict[str, Any] = {
    "listing_id": "A-17",
    "revision": 1,
    "title": "Norvell trail sneaker 1:1 top quality, size 42",
    "description": "Brand new, ships from overseas.",
    "brand": "Norvell",
    "category": "shoes",
    "price": {"amount": 29.9, "currency": "EUR"},
    "seller": {"id": "shop-291"},
    "language": "de",
    "deadline_ms": 1500,
}

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKUlEQVR42mP8z0B7wMRAQzBq+qjpo6aPmj5q+qjpo6aPmj5q+qjp"
    "o6YPIAAAzvECPx9tBZMAAAAASUVORK5CYII="
)

SCREENING: dict[str, Any] = LISTING | {"images": [{"data": PIXEL}]}

ANSWER: dict[str, Any] = {
    "id": "scr_019ab3c64f2a7c1d8e5b2f60a1c94d37",
    "listing_id": "A-17",
    "revision": 1,
    "created_at": "2026-11-22T14:03:11.482Z",
    "verdict": "review",
    "probability": 0.9734,
    "calibrated": False,
    "brand": {
        "status": "recognised",
        "id": "brd_019ab3c1a07b7e42b3d8c1f5e6a90b12",
        "name": "Norvell",
        "recognised_by": ["words", "pictures"],
    },
    "reasons": [
        {"code": "replica_words", "contribution": 3.0, "message": "The words are those used for copies."},
        {
            "code": "price_far_below_reference",
            "contribution": 2.571,
            "message": "The price is far below the brand's reference price.",
        },
    ],
    "evidence": [
        {
            "image": 0,
            "frame": 0,
            "box": [0.0, 0.0, 1.0, 1.0],
            "reference_id": "ref_019ab3c1b3c57a10bb6d2e7f8a90c1d2",
            "brand_id": "brd_019ab3c1a07b7e42b3d8c1f5e6a90b12",
            "kind": "authentic",
            "use": "copy",
            "score": 0.9412,
        }
    ],
    "prompt": {
        "language": "de",
        "title": "Bitte prüfen Sie Ihr Angebot",
        "body": "Dieser Artikel ist möglicherweise eine Fälschung.",
        "actions": ["Kaufbeleg hochladen"],
    },
    "images": [
        {
            "position": 0,
            "status": "screened",
            "code": None,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        }
    ],
    "checks": [
        {"name": "words", "status": "ran", "reason": None},
        {"name": "pictures", "status": "ran", "reason": None},
        {"name": "seller", "status": "ran", "reason": None},
        {"name": "price", "status": "ran", "reason": None},
    ],
    "rescreen": False,
    "release": "rel_5d1c0a7be3f24896",
    "timings_ms": {"decode": 14.2, "encode": 11.8, "search": 1.9, "record": 3.1, "total": 33.7},
}
