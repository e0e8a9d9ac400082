"""What the tests of access share: objects of every kind for the routes' parameters, and a request that each accepts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from fixed_judge import BIAS
from release_kit import approved, make_candidate, propose
from review_kit import screen
from service_kit import ACTOR, Kit, encoded, picture

from brands import approvals, holds, references
from brands.approvals import Checked
from brands.ids import utc_now
from brands.model import Brand, NewReference
from screener.appraisals.model import NewAppraisal
from screener.appraisals.store import add as add_appraisals
from screener.governance.standing import set_standing
from screener.ledger.entries import add_incident
from screener.ledger.read import actions_of
from screener.listing import Listing
from screener.picture_facts import FACTS_VERSION
from screener.spot_checks import plan as spot_checks
from screener.spot_checks.model import Filters
from screener.webhooks.endpoints import Endpoints


def missing(name: str) -> str:
    """An id of the right form that nothing has."""
    prefixes = {
        "brand_id": "brd", "reference_id": "ref", "screening_id": "scr", "key_id": "key", "response_id": "rsp",
        "hold_id": "hld", "receipt_id": "rcp", "plan_id": "pln", "spot_check_id": "spc", "appraisal_id": "apr",
        "endpoint_id": "whk", "model_id": "mod", "message_id": "msg", "action_id": "sac", "event_id": "sev",
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
    kit: Kit

    def of(self, line: str) -> Mapping[str, str]:
        """The ids for a route: the reference is one that the route's step is possible for."""
        steps = {"approve": "pending", "reject": "pending", "reopen": "withdrawn"}
        state = steps.get(line.rsplit("/", 1)[1], "active")
        model = {"model_id": release_for(self.kit, line)} if "{model_id}" in line else {}
        return {**self.ids, "reference_id": self.states[state], **model}


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
        result = NewAppraisal("inconclusive", "Lab Nord", "laboratory", utc_now().date(), screening_id=screening["id"])
        (appraisal,) = add_appraisals(conn, [result], actor=ACTOR, now=utc_now())
        add_incident(conn, truth.ledger.policy, seller_id=name, kind="violation", actor=ACTOR, now=utc_now())
        (action,) = actions_of(conn, name)
    # Where the service itself does not send to, so that nothing leaves this machine.
    webhooks = Endpoints(truth.database, b"s" * 32, private=True)
    there = next((one for one in webhooks.list() if one.url == "http://127.0.0.1:9/"), None)
    endpoint = there or webhooks.add(actor=ACTOR, url="http://127.0.0.1:9/")[0]
    message_id = webhooks.send_test(actor=ACTOR, endpoint_id=endpoint.id)
    for category in (f"goods of {name}", "a", "b"):  # one to be planned below, the others free for who asks for a plan
        listing = Listing(f"{name}, {category}", "A thing", name, category=category)
        screen(truth.database, utc_now(), listing=listing, verdict="clear", probability=0.1)
    plan = spot_checks.plan(
        truth.database, budget=1, filters=Filters(category=f"goods of {name}"), actor=ACTOR, now=utc_now()
    )
    ids = {
        "model_id": missing("model_id"),  # those that exist are made for the step, by `Objects.of`
        "hold_id": hold.id,
        "plan_id": plan.id,
        "spot_check_id": plan.picks[0].id,
        "appraisal_id": appraisal.id,
        "endpoint_id": endpoint.id,
        "message_id": message_id,
        "action_id": action.id,
        "event_id": action.event_id,
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
    return Objects(brand, ids, {"active": active.id, "withdrawn": withdrawn.id, "pending": pending.id}, kit)


def release_for(kit: Kit, line: str) -> str:
    """A release that the step of a route is possible for; a rollback's is served."""
    kit.service.releases.wait()
    number = len(kit.service.truth.models.list())
    folder = kit.service.truth.settings.data_dir.parent / f"candidate-{number}"
    candidate = make_candidate(folder, encoder=False, bias=BIAS - 0.001 * (number + 1))
    step = line.rsplit("/", 1)[1]
    if step in ("promote", "rollback"):
        release = approved(kit, candidate)
        if step == "rollback":
            kit.service.releases.promote(release.id, actor=ACTOR, reason="to be taken back")
        return release.id
    return propose(kit, candidate).id


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
    "POST /v1/appraisals": {"json": {"appraisals": []}},
    "POST /v1/appraisals/import": {"json": []},
    "POST /v1/appraisals/{appraisal_id}/withdraw": {"json": {"reason": "two reports were mixed up"}},
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
    "POST /v1/models/{model_id}/shadow": {"json": {"share": 0.1}},
    "POST /v1/models/{model_id}/approve": {},
    "POST /v1/models/{model_id}/refuse": {"json": {"reason": "a slice is worse"}},
    "POST /v1/models/{model_id}/promote": {"json": {"reason": "it is better"}},
    "POST /v1/models/{model_id}/rollback": {"json": {"reason": "it prompts too much"}},
    "POST /v1/keys": {"json": {"scope": "hook"}},
    "POST /v1/keys/{key_id}/revoke": {},
    "POST /v1/keys/{key_id}/rotate": {"json": {}},
    "POST /v1/keys/self/rotate": {"json": {}},
    "POST /v1/spot-checks/plans": {"json": {"budget": 1}},
    "POST /v1/spot-checks/plans/{plan_id}/cancel": {"json": {"note": "another budget"}},
    "POST /v1/spot-checks/{spot_check_id}/state": {"json": {"state": "ordered", "orders": 3}},
    "POST /v1/signals": {"json": {"signals": [{"kind": "review", "listing_id": "L-9", "text": "fine"}]}},
    "POST /v1/seller-events": {"json": {"seller_id": "shop-9", "kind": "complaint"}},
    "POST /v1/seller-actions/{action_id}/state": {"json": {"state": "executed"}},
    "POST /v1/webhooks": {"json": {"url": "https://shop.example/hooks", "types": ["release.switched"]}},
    "POST /v1/webhooks/{endpoint_id}/pause": {"json": {}},
    "POST /v1/webhooks/{endpoint_id}/resume": {"json": {}},
    "POST /v1/webhooks/{endpoint_id}/remove": {"json": {}},
    "POST /v1/webhooks/{endpoint_id}/rotate": {"json": {}},
    "POST /v1/webhooks/{endpoint_id}/test": {},
    "POST /v1/webhooks/{endpoint_id}/replay": {"json": {"since": "2026-01-01T00:00:00Z"}},
    "POST /v1/webhooks/messages/{message_id}/replay": {"json": {}},
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
    "POST /app/spot-checks": {"data": {"budget": "1"}},
    "POST /app/spot-checks/{plan_id}/cancel": {},
    "POST /app/spot-check-items/{spot_check_id}/state": {"data": {"state": "ordered", "orders": "3"}},
    "POST /app/screenings/{screening_id}/appraisals": {
        "data": {"outcome": "authentic", "appraiser": "Expert 2", "method": "expert", "appraised_on": "2026-01-31"}
    },
    "POST /app/appraisals/import": {"files": {"table": ("tasks.json", b"[]", "application/json")}},
    "POST /app/appraisals/{appraisal_id}/withdraw": {"data": {"reason": "two reports were mixed up"}},
    "POST /app/models/{model_id}/approve": {},
    "POST /app/models/{model_id}/refuse": {"data": {"reason": "a slice is worse"}},
    "POST /app/models/{model_id}/promote": {"data": {"reason": "it is better"}},
    "POST /app/models/{model_id}/rollback": {"data": {"reason": "it prompts too much"}},
    "POST /app/models/{model_id}/shadow": {"data": {"percent": "10"}},
    "POST /app/seller-actions/{action_id}/state": {"data": {"state": "executed"}},
    "POST /app/seller-events/{event_id}/appeal": {"data": {"note": "the invoice was right"}},
    "POST /app/key": {},
    "POST /app/keys": {"data": {"scope": "hook"}},
    "POST /app/keys/{key_id}/rotate": {},
    "POST /app/keys/{key_id}/revoke": {},
}
"""A request that each route accepts. A new route that takes a body is not tested before it has one here."""
