"""The examples that the API's documentation shows: one brand, one reference of it, one key."""

from typing import Any

PRICE: dict[str, Any] = {"amount": "129.90", "currency": "EUR"}
BRAND: dict[str, Any] = {
    "name": "Aurelia",
    "aliases": ["Aurélia", "オーレリア", "奥蕾莉亚"],
    "wordmarks": ["AURELIA"],
    "categories": ["shoes"],
    "reference_price": PRICE,
    "reference_prices": [{"category": "shoes", "price": {"amount": "189.00", "currency": "EUR"}}],
    "authorised_sellers": [{"seller_id": "shop-1", "valid_from": "2025-01-01", "valid_until": None}],
}
_TIMES: dict[str, Any] = {"created_at": "2025-03-01T09:00:00Z", "updated_at": "2025-03-01T09:00:00Z"}
BRAND_OUT: dict[str, Any] = {
    "id": "brd_019550a1b2c37d4e8f90a1b2c3d4e5f6",
    **BRAND,
    "state": "active",
    "revision": 1,
    **_TIMES,
}
REFERENCE: dict[str, Any] = {
    "id": "ref_019550a1c0d17e2f8a3b4c5d6e7f8091",
    "brand_id": BRAND_OUT["id"],
    "kind": "logo",
    "state": "active",
    "state_reason": "",
    "image_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "box": [0.1, 0.2, 0.6, 0.5],
    "width": 1200,
    "height": 900,
    "source": "press kit, spring",
    "notes": "",
    "created_by": "key:key_019550a0a1b27c3d8e4f5a6b7c8d9e0f",
    "origin": "upload",
    "evidence": "",
    "approval": "none",
    "approved_by": "key:key_019550a0b2c37d4e9f5a6b7c8d9e0f1a",
    "expires_at": "2028-03-01T00:00:00Z",
    **_TIMES,
}
KEY: dict[str, Any] = {
    "id": "key_019550a0a1b27c3d8e4f5a6b7c8d9e0f",
    "scope": "brand",
    "brand_id": BRAND_OUT["id"],
    "label": "Aurelia's brand team",
    "created_at": "2025-03-01T09:00:00Z",
    "created_by": "cli:root",
    "expires_at": "2026-03-01T00:00:00Z",
    "revoked_at": None,
    "last_used_at": None,
}
