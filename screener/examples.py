"""Real requests and answers for the API documentation; tests hold them against the models and a running service.

`ANSWER` is what the demo's registry (`make demo`) answered to `LISTING` with the sample picture
`01-authorised-sneaker/1.jpg`, sent by a seller who is not authorised. The picture was known from an earlier listing, so
it was neither decoded nor encoded again; of the evidence only the first is kept.
"""

import json
from pathlib import Path
from typing import Any

LISTING: dict[str, Any] = {
    "listing_id": "A-17",
    "revision": 1,
    "title": "Norvokka trail sneaker 1:1 top quality, size 42",
    "description": "Brand new, ships from overseas.",
    "brand": "Norvokka",
    "category": "shoes",
    "price": {"amount": 29.9, "currency": "EUR"},
    "complaints": 1,
    "seller": {"id": "shop-291", "registered_on": "2026-10-30", "sales": 2, "upheld_reports": 1, "linked": ["shop-77"]},
    "language": "de",
    "deadline_ms": 1500,
}

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKUlEQVR42mP8z0B7wMRAQzBq+qjpo6aPmj5q+qjpo6aPmj5q+qjp"
    "o6YPIAAAzvECPx9tBZMAAAAASUVORK5CYII="
)

SCREENING: dict[str, Any] = LISTING | {"images": [{"data": PIXEL}]}

ANSWER: dict[str, Any] = json.loads((Path(__file__).parent / "example_answer.json").read_text(encoding="utf-8"))
