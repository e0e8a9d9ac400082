"""Nobody sees another's data: forty marked words in what a brand and its cases hold, and everything that the other
brand, the hook and a seller receive, and every line that is logged, searched for them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from access_kit import BODIES, Objects, bearer, call, missing, objects
from PIL import Image, PngImagePlugin
from service_kit import ACTOR, Kit, encoded, picture, running

from brands.auth import COOKIE, CSRF_HEADER
from brands.model import Scope
from screener import logs
from screener.access import ROUTES

COUNT = 40
MARKS = tuple(f"kanari{n:02}vogel" for n in range(COUNT))
"""Words that occur nowhere else. The first are of the brand, the later ones of its cases."""


@dataclass(slots=True)
class Marks:
    """Hands out the marked words, each once."""

    used: int = 0

    def __call__(self) -> str:
        self.used += 1
        return MARKS[self.used - 1]


def labelled(image: Image.Image, words: str) -> bytes:
    """A PNG that carries words beside its pixels, as cameras and editors leave them."""
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", words)
    return encoded(image, pnginfo=notes)


def secretive(kit: Kit, admin: Mapping[str, str], mark: Marks) -> tuple[Objects, set[str]]:
    """A brand that has a mark in every field that it or its cases have, and the marks that the hook sent itself."""
    own = objects(kit, mark(), 3)
    brand = own.brand.id
    holder = bearer(kit.service.truth.keys.create(actor=ACTOR, scope="brand", brand_id=brand, label=mark())[1])
    details = {
        "name": MARKS[0],
        "aliases": [mark(), mark()],
        "wordmarks": [mark(), mark()],
        "categories": [mark(), (category := mark())],
        "reference_price": {"amount": "73219.37", "currency": "EUR"},
        "reference_prices": [{"category": category, "price": {"amount": "81127.53", "currency": "EUR"}}],
        "authorised_sellers": [{"seller_id": mark()}, {"seller_id": mark()}],
    }
    accepted(kit.client.put(f"/v1/brands/{brand}", json={**details, "revision": 1}, headers=holder))
    known = {"kind": "known_fake", "origin": "complaint", "evidence": mark()}
    uploads: list[dict[str, str]] = [{"kind": "authentic"}, {"kind": "logo"}, {"kind": "negative"}, known]
    references = []
    for number, form in enumerate(uploads):
        data = labelled(picture(300 + number), mark())
        files = {"image": (f"{mark()}.png", data, "image/png")}
        form = {**form, "source": mark(), "notes": mark()}
        answer = accepted(kit.client.post(f"/v1/brands/{brand}/references", files=files, data=form, headers=holder))
        references.append(answer.json()["id"])
    reject = {"state": "rejected", "reason": mark()}
    accepted(kit.client.post(f"/v1/references/{references[2]}/state", json=reject, headers=admin))
    dispute = {"reason": mark()}
    accepted(kit.client.post(f"/v1/references/{own.states['active']}/dispute", json=dispute, headers=admin))
    before = mark.used
    listing: dict[str, Any] = {
        "listing_id": mark(),
        "title": f"{MARKS[0]} {mark()}",
        "description": mark(),
        "category": mark(),
        "seller": {"id": mark()},
    }
    told = set(MARKS[before : mark.used])
    kept = labelled(picture(10_003), mark())
    screening = accepted(kit.screen([kept], **listing)).json()
    assert screening["verdict"] == "review"
    case = screening["id"]
    proof = {"image": (f"{mark()}.png", labelled(picture(400), mark()), "image/png")}
    answer = {"kind": "proof", "text": mark()}
    accepted(kit.client.post(f"/v1/screenings/{case}/responses", data=answer, files=proof, headers=kit.hook))
    decision = {"outcome": "counterfeit", "notes": mark()}
    accepted(kit.client.post(f"/v1/reviews/{case}/decisions", json=decision, headers=admin))
    hold = {"kind": "screening", "object_id": case, "reason": mark()}
    accepted(kit.client.post("/v1/holds", json=hold, headers=admin))
    kit.refresh()
    return Objects(own.brand, {**own.ids, "screening_id": case}, own.states, own.kit), told


def accepted(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code < 300, answer.text
    return answer


def received(
    kit: Kit, scope: Scope, headers: Mapping[str, str], cookies: Mapping[str, str], ids: Any
) -> Iterator[bytes]:
    """Every byte that every route gives somebody, for each of some objects."""
    for line in ROUTES:
        if scope in ROUTES[line]:
            sent = cookies if line.split()[1].startswith("/app") else headers
            for one in ids:
                answer = call(kit, line, one, sent)
                yield repr(answer.headers.multi_items()).encode() + answer.content


@contextmanager
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    lines = io.StringIO()
    monkeypatch.setattr(sys, "stderr", lines)
    logs.configure("debug", "json")
    yield lines


def leaks(pieces: Iterable[bytes], marks: Iterable[str] = MARKS) -> set[str]:
    """The marks that are in any of the pieces, whatever their case."""
    everything = b"\n".join(pieces).lower()
    return {mark for mark in marks if mark.encode() in everything}


def test_nobody_receives_what_is_anothers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Signing out or changing over would end the visit early; what is erased cannot leak.
    for line in ("POST /app/sign-out", "POST /v1/erasures"):
        monkeypatch.delitem(BODIES, line)  # type: ignore[arg-type]  # a plain dict underneath
    with logged(monkeypatch) as lines, running(tmp_path, keep_images="all", rate_machine="100000/minute") as kit:
        mark = Marks()
        theirs, told = secretive(kit, kit.admin, mark)
        assert mark.used == COUNT
        ours = objects(kit, "Norvell", 1)
        truth = kit.service.truth
        plaintext = truth.keys.create(actor=ACTOR, scope="brand", brand_id=ours.brand.id)[1]
        cookie, person = truth.sessions.open(plaintext)
        page = {"Cookie": f"{COOKIE}={cookie}", CSRF_HEADER: person.csrf}
        nothing = {name: missing(name) for name in ours.ids}

        asked = (ours.ids, theirs.ids, nothing)
        holder = bearer(plaintext)
        assert leaks(received(kit, "brand", holder, page, asked)) == set()
        # Their very picture, offered as ours: it is held back, and whose it is stays untold.
        copied = {"image": ("x.png", encoded(picture(10_003)), "image/png")}
        for path in ("references/preview", "references"):
            answer = kit.client.post(
                f"/v1/brands/{ours.brand.id}/{path}",
                files=copied,
                data={"kind": "authentic"},
                headers=bearer(plaintext),
            )
            assert leaks(iter([answer.content] * 21), (*MARKS, theirs.brand.id)) == set()

        # The seller has the brand's name for an id, and it was the hook that told it.
        assert leaks(received(kit, "hook", kit.hook, {}, (ours.ids, nothing))) <= told | {MARKS[0]}
        # A listing that shows their goods: the brand's name is for the seller, nothing else is.
        shown = kit.screen([encoded(picture(10_003))], listing_id="L-9", title="A thing", seller={"id": "shop-9"})
        assert shown.json()["brand"]["id"] == theirs.brand.id
        assert leaks([shown.content]) <= {MARKS[0]}

        # The search finds what is there: whoever may see the marks, sees most of them.
        value, admin = truth.sessions.open(kit.admin["Authorization"].removeprefix("Bearer "))
        desk = {"Cookie": f"{COOKIE}={value}", CSRF_HEADER: admin.csrf}
        assert len(leaks(received(kit, "admin", kit.admin, desk, (theirs.ids,)))) > COUNT // 2

        written = lines.getvalue()
    assert '"route": "/v1/screenings"' in written
    assert leaks([written.encode()]) == set()
