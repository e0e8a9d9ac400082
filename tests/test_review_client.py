"""The client after a prompt, against the real application: responses, and what people decided."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from service_kit import Kit, encoded, picture, running

from screener.client import AsyncScreenerClient, Listing, ScreenerAnswerInvalid, ScreenerApiError, ScreenerClient
from screener.client_review import parse_response, parse_state

LISTING = Listing("A-17", "A Norvell bag", "shop-1")


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("service")) as kit:
        kit.add_reference(kit.add_brand("Norvell", price="100"), "known_fake", picture(2))
        kit.refresh()
        yield kit


def to(kit: Kit) -> httpx.ASGITransport:
    return httpx.ASGITransport(app=kit.client.app)


def key(kit: Kit) -> str:
    return kit.hook["Authorization"].removeprefix("Bearer ")


def test_a_seller_proves_and_people_decide(kit: Kit, tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.png"
    receipt.write_bytes(encoded(picture(70)))
    with ScreenerClient("http://screener", key(kit), transport=to(kit)) as client:
        answer = client.screen(LISTING, [encoded(picture(2))])
        assert answer.verdict == "review"
        assert client.prompt_state(answer.id).responses == ()
        first = client.respond(answer.id, "edited")
        proof = client.respond(answer.id, "proof", text="Ein Beleg «é»", images=[receipt, encoded(picture(71))])
        assert client.respond(answer.id, "proof", text="Ein Beleg «é»", images=[receipt, encoded(picture(71))]) == proof
        state = client.prompt_state(answer.id)
        assert (state.state, state.appealed, state.outcome) == ("open", True, None)
        assert state.responses == (first, proof) and len(proof.images) == 2 and proof.text == "Ein Beleg «é»"
        decided = kit.client.post(
            f"/v1/reviews/{answer.id}/decisions", json={"outcome": "authentic"}, headers=kit.admin
        )
        assert decided.status_code == 201
        state = client.prompt_state(answer.id)
        assert (state.state, state.appealed, state.outcome) == ("decided", False, "authentic")
        assert state.decided_at is not None and state.decided_at.tzinfo is not None
        for unknown in ("scr_0", "../../v1/keys", "a/b?c"):
            with pytest.raises(ScreenerApiError) as caught:
                client.prompt_state(unknown)
            assert caught.value.status == 404
        with pytest.raises(ScreenerApiError) as caught:
            client.respond(answer.id, "proof", images=[b"no picture"])
        assert caught.value.code.startswith("image_")


def test_with_an_event_loop(kit: Kit) -> None:
    async def publish() -> str:
        async with AsyncScreenerClient("http://screener", key(kit), transport=to(kit)) as client:
            answer = await client.screen(LISTING, [encoded(picture(2))])
            await client.respond(answer.id, "published_anyway", text="It is real")
            return (await client.prompt_state(answer.id)).responses[0].kind

    assert anyio.run(publish) == "published_anyway"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"screening_id": "a", "state": null}', b"[" * 10**5])
def test_answers_that_are_none(body: bytes) -> None:
    for parse in (parse_response, parse_state):
        with pytest.raises(ScreenerAnswerInvalid):
            parse(body)
