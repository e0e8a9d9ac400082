"""What the tests of access share: objects of every kind for the routes' parameters, and a request that each accepts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from service_kit import ACTOR, Kit, encoded, picture

from brands import approvals, holds, references
from brands.approvals import Checked
from brands.ids import utc_now
from brands.model import Brand, NewReference
from screener.governance.standing import set_standing
from screener.picture_facts import FACTS_VERSION


def missing(name: str) -> str:
    """An id of the right form that nothing has."""
    prefixes = {
        "brand_id": "brd", "reference_id": "ref", "screening_id": "scr", "key_id": "key", "response_id": "rsp",
        "hold_id": "hld", "receipt_id": "rcp",
    }  # fmt: skip
    return f"{prefixes[name]}_{'0' * 32}" if name in prefixes else "0"


@dataclass(frozen=True, slots=True)
class Objects:
    """A brand with an object of every kind, by the name that the routes have for its id.

    `states` has a reference in every state that a step begins from.
    """

    brand: Brand
    ids: Mapping[str, str]
    states: Mapping[str, str]

    def of(self, line: str) -> Mapping[str, str]:
        """The ids for a route: the reference is one that the route's step is possible for."""
        steps = {"approve": "pending", "reject": "pending", "reopen": "withdrawn"}
        state = steps.get(line.rsplit("/", 1)[1], "active")
        return {**self.ids, "reference_id": self.states[state]}


HARMLESS: Mapping[str, Any] = {
    "background": {"size": 0, "uses": {}, "share": 0.0},
    "recent": {},
    "rivals": [],
    "duplicates": [],
    "hints": [],
    "blocking": [],
    "unusable": [],
}


def objects(kit: Kit, name: str, seed: int) -> Objects:
    """Makes them. The brand is in good standing, so that its keys may do whatever a brand's key ever may."""
    brand = kit.add_brand(name, price="100")
    registry, truth = kit.service.truth.registry, kit.service.truth
    active = kit.add_reference(brand, "authentic", picture(seed))
    fake = kit.add_reference(brand, "known_fake", picture(seed + 10_000))
    withdrawn = kit.add_reference(brand, "authentic", picture(seed + 20_000))
    registry.set_reference_state(actor=ACTOR, reference_id=withdrawn.id, state="withdrawn")
    kit.refresh()
    set_standing(truth.database, brand.id, "good", reason="known", actor=ACTOR, at=utc_now())
    screening = kit.screen([encoded(picture(seed + 10_000))], listing_id=f"L-{seed}", seller={"id": name}).json()
    assert (screening["evidence"][0]["reference_id"], screening["verdict"]) == (fake.id, "review")
    response = kit.client.post(
        f"/v1/screenings/{screening['id']}/responses",
        data={"kind": "proof", "text": "Here is the invoice."},
        files=[("image", ("invoice.png", encoded(picture(seed + 40_000)), "image/png"))],
        headers=kit.hook,
    )
    assert response.status_code == 201, response.text
    key, _ = truth.keys.create(actor=ACTOR, scope="brand", brand_id=brand.id)
    waiting = picture(seed + 30_000)
    new = NewReference("known_fake", truth.blobs.put(encoded(waiting)), *waiting.size, origin="file")
    with truth.database.write() as conn:
        (pending,) = references.insert(
            conn, brand.id, [new], state="pending", actor=ACTOR, clock=utc_now, randomness=os.urandom, approval="person"
        )
        # Drawn shapes look alike to the tiny encoder: what the impact check says of them is not what is tested.
        approvals.store_impact(conn, pending.id, Checked(True, kit.service.inspector.encoder_id, HARMLESS, utc_now()))
        hold = holds.add(conn, kind="seller", object_id=name, reason="a case", actor=ACTOR, at=utc_now())
    ids = {
        "hold_id": hold.id,
        "brand_id": brand.id,
        "reference_id": active.id,
        "screening_id": screening["id"],
        "response_id": response.json()["id"],
        "key_id": key.id,
        "number": "0",
        "position": "0",
        "name": name,
        "encoder": kit.service.encoder.bundle.id,
    }
    return Objects(brand, ids, {"active": active.id, "withdrawn": withdrawn.id, "pending": pending.id})


def bearer(plaintext: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {plaintext}"}


def call(kit: Kit, line: str, ids: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response:
    """Asks a route for the objects with these ids, with the request from `BODIES`; redirects are not followed."""

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: filled(value) for name, value in part.items()}
        return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], part) if isinstance(part, str) else part

    method, path = filled(line).split()
    body = {name: filled(value) if name in ("json", "data") else value for name, value in BODIES.get(line, {}).items()}
    return kit.client.request(method, path, headers=headers, follow_redirects=False, **body)


def code(answer: httpx.Response) -> str | None:
    """The code of an error, None for anything else."""
    if answer.status_code < 400 or not answer.headers["Content-Type"].startswith("application/json"):
        return None
    found: str = answer.json()["error"]["code"]
    return found


BRAND = {
    "name": "Norvell",
    "aliases": [],
    "wordmarks": [],
    "categories": [],
    "reference_price": None,
    "reference_prices": [],
    "authorised_sellers": [],
}
LISTING = {"listing_id": "L-9", "title": "A thing", "seller": {"id": "shop-9"}}
PICTURE = {"files": {"image": ("x.png", encoded(picture(7)), "image/png")}, "data": {"kind": "authentic"}}
BODIES: Mapping[str, dict[str, Any]] = {
    "POST /v1/screenings": {"json": LISTING | {"images": []}},
    "POST /v1/screenings/{screening_id}/responses": {"data": {"kind": "published_anyway"}},
    "POST /v1/reviews/next": {"json": {}},
    "POST /v1/reviews/{screening_id}/claim": {},
    "POST /v1/reviews/{screening_id}/release": {},
    "POST /v1/reviews/{screening_id}/decisions": {"json": {"outcome": "unsure"}},
    "POST /v1/brands": {"json": BRAND | {"name": "Brand new"}},
    "PUT /v1/brands/{brand_id}": {"json": BRAND | {"name": "{name} of today", "revision": 1}},
    "POST /v1/brands/{brand_id}/state": {"json": {"state": "withdrawn"}},
    "POST /v1/brands/{brand_id}/references": PICTURE,
    "POST /v1/brands/{brand_id}/references/preview": PICTURE,
    "POST /v1/brands/{brand_id}/negatives": {"json": {"screening_id": "{screening_id}", "image": 0}},
    "POST /v1/brands/{brand_id}/standing": {"json": {"standing": "stopped", "reason": "floods us"}},
    "POST /v1/brands/{brand_id}/notices/read": {"json": {}},
    "POST /v1/brands/{brand_id}/known-fakes/descriptors": {
        "json": {"format": 1, "encoder": "{encoder}", "facts": FACTS_VERSION, "entries": []}
    },
    "POST /v1/notices/read": {"json": {}},
    "POST /v1/references/{reference_id}/state": {"json": {"state": "withdrawn"}},
    "POST /v1/references/{reference_id}/approve": {"json": {}},
    "POST /v1/references/{reference_id}/expiry": {"json": {"expires_at": "2999-01-31T00:00:00Z"}},
    "POST /v1/references/{reference_id}/dispute": {"json": {"reason": "it is ours"}},
    "POST /v1/keys": {"json": {"scope": "hook"}},
    "POST /v1/keys/{key_id}/revoke": {},
    "POST /v1/keys/{key_id}/rotate": {"json": {}},
    "POST /v1/keys/self/rotate": {"json": {}},
    "POST /v1/holds": {"json": {"kind": "seller", "object_id": "shop-77", "reason": "case 12 O 34"}},
    "POST /v1/holds/{hold_id}/release": {},
    "POST /v1/retention/run": {},
    "POST /v1/erasures": {"json": {"kind": "seller", "object_id": "shop-78", "confirm": "shop-78"}},
    "POST /app/sign-out": {},
    "POST /app/brands": {"data": {"name": "Brand of a page"}},
    "POST /app/brands/{brand_id}/state": {"data": {"state": "withdrawn"}},
    "POST /app/brands/{brand_id}/notices": {},
    "POST /app/brands/{brand_id}/details": {"data": {"revision": "1", "name": "{name} of today"}},
    "POST /app/brands/{brand_id}/sellers": {"data": {"revision": "1", "seller_id": "shop-7"}},
    "POST /app/brands/{brand_id}/upload": PICTURE,
    "POST /app/brands/{brand_id}/upload/check": PICTURE,
    "POST /app/brands/{brand_id}/negatives": {"data": {"screening_id": "{screening_id}", "image": "0"}},
    "POST /app/brands/{brand_id}/standing": {"data": {"standing": "stopped", "reason": "floods us"}},
    "POST /app/references/{reference_id}/approve": {},
    "POST /app/references/{reference_id}/reject": {"data": {"reason": "another product"}},
    "POST /app/references/{reference_id}/withdraw": {},
    "POST /app/references/{reference_id}/expiry": {"data": {"expires": "2999-01-31"}},
    "POST /app/references/{reference_id}/dispute": {"data": {"reason": "it is ours"}},
    "POST /app/references/{reference_id}/reopen": {},
    "POST /app/reviews/next": {},
    "POST /app/reviews/{screening_id}/claim": {},
    "POST /app/reviews/{screening_id}/release": {},
    "POST /app/reviews/{screening_id}/decide": {"data": {"outcome": "unsure"}},
    "POST /app/notices": {},
    "POST /app/key": {},
    "POST /app/keys": {"data": {"scope": "hook"}},
    "POST /app/keys/{key_id}/rotate": {},
    "POST /app/keys/{key_id}/revoke": {},
}
"""A request that each route accepts. A new route that takes a body is not tested before it has one here."""
