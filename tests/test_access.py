"""Who may call what: every route with every scope, with no key, a wrong, an expired and a revoked one, on the caller's
own object, on another brand's, and on one that does not exist, compared with the table in `screener.access`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa
from access_kit import BODIES, Objects, bearer, call, code, missing, objects
from fastapi import APIRouter
from service_kit import ACTOR, Kit, running

from brands.auth import COOKIE, CSRF_HEADER
from brands.ids import utc_now
from brands.model import SCOPES, Scope
from brands.schema import api_keys
from screener.access import ROUTES, check_routes

MACHINE = sorted(line for line in ROUTES if line.split()[1].startswith("/v1/"))
PAGES = sorted(line for line in ROUTES if line.split()[1].startswith("/app"))
EVERY = [(line, scope) for line in MACHINE for scope in SCOPES]


def test_every_route_is_of_the_api_or_a_page() -> None:
    assert len(MACHINE) + len(PAGES) == len(ROUTES)


def test_a_route_without_a_line_and_a_line_without_a_route_stop_the_start() -> None:
    router = APIRouter()

    @router.get("/v1/everything")
    def leak() -> None: ...

    with pytest.raises(RuntimeError, match="GET /v1/everything"):
        check_routes(router.routes)
    with pytest.raises(RuntimeError, match="GET /healthz"):
        check_routes([])


@dataclass(frozen=True, slots=True)
class World:
    """A service with two brands, and a key of each scope; the brand's key is of the first."""

    kit: Kit
    own: Objects
    other: Objects
    headers: Mapping[Scope, Mapping[str, str]]
    expired: Mapping[str, str]
    revoked: Mapping[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("access"), rate_machine="100000/minute", keep_images="all") as kit:
        own, other = objects(kit, "Norvell", 1), objects(kit, "Quiron", 2)
        headers = {
            scope: bearer(kit.service.truth.keys.create(
                actor=ACTOR, scope=scope, brand_id=own.brand.id if scope == "brand" else None
            )[1])
            for scope in SCOPES
        }  # fmt: skip
        yield World(kit, own, other, headers, *ended(kit))


def ended(kit: Kit) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """An admin's key that has expired, and one that was revoked."""
    keys, database = kit.service.truth.keys, kit.service.truth.database
    (expired, first), (revoked, second) = (keys.create(actor=ACTOR, scope="admin") for _ in range(2))
    with database.write() as conn:
        yesterday = utc_now() - timedelta(days=1)
        conn.execute(sa.update(api_keys).where(api_keys.c.id == expired.id).values(expires_at=yesterday))
    keys.revoke(actor=ACTOR, key_id=revoked.id)
    return bearer(first), bearer(second)


def test_every_route_that_takes_a_body_has_one_here() -> None:
    assert {line for line in ROUTES if not line.startswith("GET ")} == BODIES.keys()


@pytest.mark.parametrize("line", MACHINE)
def test_without_a_live_key_nothing_is_told(world: World, line: str) -> None:
    for headers, expected in (
        ({}, "unauthenticated"),
        ({"Authorization": "Basic eDp5"}, "unauthenticated"),
        ({"Authorization": "Bearer"}, "unauthenticated"),
        (bearer("lsk_" + "x" * 43), "invalid_key"),
        (world.expired, "invalid_key"),
        (world.revoked, "invalid_key"),
    ):
        answer = call(world.kit, line, world.own.ids, headers)
        assert (answer.status_code, code(answer)) == (401, expected), headers
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("line", "scope"), EVERY)
def test_only_the_scopes_of_the_table_get_through(world: World, line: str, scope: Scope) -> None:
    """Asked for what does not exist, so that no call changes anything that another needs."""
    ids = {name: missing(name) for name in world.own.ids}
    answer = call(world.kit, line, ids, world.headers[scope])
    if scope not in ROUTES[line]:
        assert (answer.status_code, code(answer)) == (403, "forbidden")
    elif "{" in line:
        assert (answer.status_code, code(answer)) == (404, "not_found")
    else:
        assert answer.status_code < 300, answer.text


@pytest.mark.parametrize("line", [line for line in MACHINE if "{" in line and "brand" in ROUTES[line]])
def test_anothers_object_answers_a_brand_as_a_missing_one_does(world: World, line: str) -> None:
    told = []
    for ids in (world.other.ids, {name: missing(name) for name in world.own.ids}):
        answer = call(world.kit, line, ids, world.headers["brand"])
        assert answer.status_code == 404
        told.append(answer.json()["error"] | {"request_id": ""})
    assert told[0] == told[1]


@pytest.mark.parametrize("line", [line for line in MACHINE if "{" in line])
def test_ones_own_object_is_reached(world: World, line: str) -> None:
    """With a brand of its own for each call: some of them change it."""
    own = objects(world.kit, f"Own {MACHINE.index(line)}", 100 + MACHINE.index(line))
    answer = call(world.kit, line, own.of(line), header(world, line, own))
    assert answer.status_code < 300, answer.text


def header(world: World, line: str, own: Objects) -> Mapping[str, str]:
    """The key to ask with: the brand's own where it may, else that of another scope that may."""
    if "brand" not in ROUTES[line]:
        return world.headers[sorted(ROUTES[line])[0]]
    return bearer(world.kit.service.truth.keys.create(actor=ACTOR, scope="brand", brand_id=own.brand.id)[1])


class TestPages:
    """The same of the pages, where a cookie stands for the key and a token shows that a page of ours asks."""

    def cookie(self, world: World, scope: Scope, brand_id: str | None = None) -> tuple[str, dict[str, str]]:
        """A new session's cookie, and the headers that its pages send."""
        truth = world.kit.service.truth
        own = (brand_id or world.own.brand.id) if scope == "brand" else None
        value, person = truth.sessions.open(truth.keys.create(actor=ACTOR, scope=scope, brand_id=own)[1])
        return value, {"Cookie": f"{COOKIE}={value}", CSRF_HEADER: person.csrf}

    @pytest.mark.parametrize("line", PAGES)
    def test_without_a_session_there_is_only_the_way_to_sign_in(self, world: World, line: str) -> None:
        truth = world.kit.service.truth
        key, plaintext = truth.keys.create(actor=ACTOR, scope="admin")
        of_revoked, _ = truth.sessions.open(plaintext)
        truth.keys.revoke(actor=ACTOR, key_id=key.id)
        closed, _ = self.cookie(world, "admin")
        truth.sessions.close(closed)
        a_key = world.headers[
            "admin"
        ]  # pages know sessions only: another site's page cannot send a header, nor can it read
        for headers in ({}, a_key, *({"Cookie": f"{COOKIE}={value}"} for value in (of_revoked, closed, "x" * 43, ""))):
            answer = call(world.kit, line, world.own.ids, headers)
            assert (answer.status_code, answer.headers.get("Location")) == (303, "/app/sign-in"), headers

    @pytest.mark.parametrize(("line", "scope"), [(line, scope) for line in PAGES for scope in SCOPES])
    def test_only_the_scopes_of_the_table_get_through(self, world: World, line: str, scope: Scope) -> None:
        ids = {name: missing(name) for name in world.own.ids}
        answer = call(world.kit, line, ids, self.cookie(world, scope)[1])
        if scope not in ROUTES[line]:
            assert answer.status_code == 403
        elif "{" in line:
            assert answer.status_code == 404
        else:
            assert answer.status_code < 400, answer.text

    @pytest.mark.parametrize("line", [line for line in PAGES if "{" in line and "brand" in ROUTES[line]])
    def test_anothers_object_answers_a_brand_as_a_missing_one_does(self, world: World, line: str) -> None:
        headers = self.cookie(world, "brand")[1]
        told = [
            call(world.kit, line, ids, headers)
            for ids in (world.other.of(line), {name: missing(name) for name in world.own.ids})
        ]
        assert [answer.status_code for answer in told] == [404, 404]
        words = [re.sub(r"req_\w+|\w{3}_[0-9a-f]{32}", "", answer.text) for answer in told]
        assert words[0] == words[1]

    @pytest.mark.parametrize("line", [line for line in PAGES if "{" in line])
    def test_ones_own_object_is_reached(self, world: World, line: str) -> None:
        own = objects(world.kit, f"Page {PAGES.index(line)}", 1000 + PAGES.index(line))
        scope: Scope = "brand" if "brand" in ROUTES[line] else sorted(ROUTES[line])[0]
        answer = call(world.kit, line, own.of(line), self.cookie(world, scope, own.brand.id)[1])
        assert answer.status_code < 400, answer.text

    @pytest.mark.parametrize("line", [line for line in PAGES if not line.startswith("GET ")])
    def test_a_change_needs_the_pages_token(self, world: World, line: str) -> None:
        _, headers = self.cookie(world, sorted(ROUTES[line])[0])
        for token in (
            {},
            {CSRF_HEADER: ""},
            {CSRF_HEADER: "0" * 64},
            {CSRF_HEADER: self.cookie(world, "admin")[1][CSRF_HEADER]},
        ):
            answer = call(world.kit, line, world.own.of(line), {"Cookie": headers["Cookie"], **token})
            assert answer.status_code == 403, token

    def test_the_cookie_is_kept_from_scripts_and_other_sites(self, world: World) -> None:
        key = world.kit.service.truth.keys.create(actor=ACTOR, scope="reviewer")[1]
        answer = world.kit.client.post("/app/sign-in", data={"key": key}, follow_redirects=False)
        world.kit.client.cookies.clear()
        attributes = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/app/"} <= attributes
