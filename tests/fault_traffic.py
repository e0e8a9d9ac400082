"""Traffic for a server that is about to be killed, and the ledger of what it acknowledged."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from fault_kit import START_SECONDS, Server
from service_kit import encoded, picture

LET_IN = {"override": True, "reason": "drawn shapes may look alike"}
"""A second person's approval, whatever the impact check says of a drawn picture."""


@dataclass(frozen=True)
class Publish:
    """A listing as it is sent, so that it can be sent again."""

    listing: dict[str, Any]
    image: bytes
    key: str | None


@dataclass
class Ledger:
    """What the server said that it has, over all its lives; `unsure` is what it was killed over."""

    offered: dict[str, bytes] = field(default_factory=dict)
    """Reference id to the picture that was uploaded and that nobody is known to have approved."""
    references: dict[str, bytes] = field(default_factory=dict)
    """Reference id to the picture that was uploaded and approved."""
    withdrawn: set[str] = field(default_factory=set)
    maybe_withdrawn: set[str] = field(default_factory=set)
    screenings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Screening id to the answer."""
    repeatable: dict[str, tuple[Publish, str]] = field(default_factory=dict)
    """Idempotency key to what was sent with it and the id of the screening."""
    unsure: list[Publish] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Answers that no request of ours should get."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def acknowledged(self) -> int:
        return len(self.offered) + len(self.references) + len(self.withdrawn) + len(self.screenings)


class Traffic:
    """Threads that upload, approve and withdraw references and publish listings until the server is gone."""

    def __init__(
        self,
        server: Server,
        headers: dict[str, str],
        second: dict[str, str],
        brand_id: str,
        ledger: Ledger,
        *,
        seed: str,
        acknowledged: Callable[[], None],
    ) -> None:
        """`second` is the key of who approves; `acknowledged` is called after each answer, in its thread."""
        self._server, self._headers, self._brand_id, self._ledger = server, headers, brand_id, ledger
        self._second = second
        self._acknowledged, self._seed = acknowledged, seed
        work = (self._upload, self._publish, self._publish, self._withdraw)
        self._go = threading.Barrier(len(work) + 1)
        self._threads = [
            threading.Thread(target=self._run, args=(step, random.Random(f"{seed}/{number}")))
            for number, step in enumerate(work)
        ]

    def start(self) -> None:
        """Returns when every thread is about to send."""
        for thread in self._threads:
            thread.start()
        self._go.wait()

    def join(self) -> None:
        """Waits for the threads; the server is dead, so they end."""
        for thread in self._threads:
            thread.join(START_SECONDS)
            assert not thread.is_alive()

    def _run(self, step: Callable[[httpx.Client, random.Random], None], chance: random.Random) -> None:
        with connect(self._server, self._headers) as client:
            self._go.wait()
            while True:
                try:
                    step(client, chance)
                except httpx.TransportError:
                    return
                self._acknowledged()

    def _upload(self, client: httpx.Client, chance: random.Random) -> None:
        image = encoded(picture(chance.getrandbits(60), (96, 80)))
        response = client.post(
            f"/v1/brands/{self._brand_id}/references", data={"kind": "known_fake"}, files={"image": image}
        )
        with self._ledger.lock:
            if response.status_code != 201:
                self._ledger.refused.append(response.text)
                return
            reference = response.json()["id"]
            self._ledger.offered[reference] = image
        approved = client.post(f"/v1/references/{reference}/approve", json=LET_IN, headers=self._second)
        with self._ledger.lock:
            if approved.status_code == 200 and approved.json()["state"] == "active":
                self._ledger.references[reference] = self._ledger.offered.pop(reference)
            elif "never_served" not in approved.text:  # one large shape may cover the whole picture
                self._ledger.refused.append(approved.text)

    def _publish(self, client: httpx.Client, chance: random.Random) -> None:
        number = chance.getrandbits(60)
        with self._ledger.lock:
            known = chance.choice(list(self._ledger.references.values()) or [None])
        # Half show a picture that is registered: flagged, with evidence.
        image = known if known and chance.random() < 0.5 else encoded(picture(number, (96, 80)))
        listing = {"listing_id": f"L-{number}", "title": "Trainers", "seller": {"id": "shop-1"}, "deadline_ms": 60_000}
        publish = Publish(listing, image, f"key-{number}" if chance.random() < 0.7 else None)
        try:
            response = send(client, publish)
        except httpx.TransportError:
            with self._ledger.lock:
                self._ledger.unsure.append(publish)
            raise
        record(self._ledger, publish, response)

    def _withdraw(self, client: httpx.Client, chance: random.Random) -> None:
        with self._ledger.lock:
            gone = self._ledger.withdrawn | self._ledger.maybe_withdrawn
            left = [reference for reference in self._ledger.references if reference not in gone]
        # Some stay, so that there is always something to find.
        if len(left) < 4:
            self._upload(client, chance)
            return
        reference = chance.choice(left)
        with self._ledger.lock:
            self._ledger.maybe_withdrawn.add(reference)
        response = client.post(f"/v1/references/{reference}/state", json={"state": "withdrawn", "reason": "test"})
        with self._ledger.lock:
            if response.status_code == 200:
                self._ledger.maybe_withdrawn.discard(reference)
                self._ledger.withdrawn.add(reference)
            else:
                self._ledger.refused.append(response.text)


def connect(server: Server, headers: dict[str, str]) -> httpx.Client:
    """A client of this server."""
    return httpx.Client(base_url=server.url, headers=headers, timeout=START_SECONDS, verify=False)


def send(client: httpx.Client, publish: Publish) -> httpx.Response:
    """POST /v1/screenings."""
    return client.post(
        "/v1/screenings",
        files=[
            ("listing", (None, json.dumps(publish.listing), "application/json")),
            ("image", ("image.png", publish.image, "image/png")),
        ],
        headers={"Idempotency-Key": publish.key} if publish.key else {},
    )


def record(ledger: Ledger, publish: Publish, response: httpx.Response) -> None:
    """Takes the answer to a published listing into the ledger."""
    with ledger.lock:
        if response.status_code != 200:
            ledger.refused.append(response.text)
            return
        answer = response.json()
        ledger.screenings[answer["id"]] = answer
        if publish.key:
            ledger.repeatable[publish.key] = (publish, answer["id"])
