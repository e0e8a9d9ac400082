"""A whole service on a tiny real bundle, for tests that speak HTTP to it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fixed_judge import make_fixed_judge
from PIL import Image, ImageDraw
from starlette.testclient import TestClient
from tiny_bundle import make_tiny_bundle

import serve
from brands.model import AuthorisedSeller, Brand, BrandDetails, Price, Reference, ReferenceKind, ReferenceState
from screener.service import Service, open_service
from screener.settings import Settings

ACTOR = "cli:test"


def picture(seed: int, size: tuple[int, int] = (200, 160)) -> Image.Image:
    """A picture of coloured shapes, another for every seed."""
    generator = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(c) for c in generator.integers(0, 256, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, w, h = (int(v) for v in generator.integers(0, 120, 4))
        colour = tuple(int(c) for c in generator.integers(0, 256, 3))
        (draw.ellipse if generator.random() < 0.5 else draw.rectangle)((x, y, x + w + 8, y + h + 8), fill=colour)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Kit:
    """A running service and its keys."""

    service: Service
    client: TestClient
    hook: dict[str, str]
    admin: dict[str, str]

    def add_brand(self, name: str, *, price: str | None = None, sellers: tuple[str, ...] = (), **details: Any) -> Brand:
        from decimal import Decimal

        return self.service.truth.registry.add_brand(
            actor=ACTOR,
            details=BrandDetails(
                name=name,
                reference_price=Price(Decimal(price), "EUR") if price else None,
                authorised_sellers=tuple(AuthorisedSeller(seller) for seller in sellers),
                **details,
            ),
        )

    def add_reference(
        self, brand: Brand, kind: ReferenceKind, image: Image.Image, *, state: ReferenceState = "active"
    ) -> Reference:
        """Straight into the registry: no person and no impact check is asked."""
        return self.service.truth.registry.add_reference(
            actor=ACTOR,
            brand_id=brand.id,
            kind=kind,
            data=encoded(image),
            width=image.width,
            height=image.height,
            state=state,
        )

    def refresh(self) -> None:
        self.service.refresher.refresh()

    def screen(self, images: list[bytes], *, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        """POST /v1/screenings as multipart."""
        import json

        listing = {"listing_id": "L-1", "title": "A thing", "seller": {"id": "shop-1"}} | fields
        files: list[tuple[str, Any]] = [("listing", (None, json.dumps(listing), "application/json"))]
        files += [("image", (f"{n}.png", data, "application/octet-stream")) for n, data in enumerate(images)]
        return self.client.post("/v1/screenings", files=files, headers=self.hook | (headers or {}))


def open_tiny_service(folder: Path, **settings: Any) -> Service:
    """A service in `folder` with the tiny bundle and the fixed judge; whoever opens it closes it."""
    bundle = folder / "bundle"
    if not bundle.exists():
        make_tiny_bundle(bundle)
    make_fixed_judge(folder)
    values: dict[str, Any] = {
        "data_dir": folder / "var",
        "bundle": str(bundle),
        "judge": str(folder / "judge"),
        "policy": str(folder / "policy.toml"),
        "reading_ms": 0,  # the drawn shapes have no words
        "refresh_seconds": 0.05,
    } | settings
    return open_service(Settings(**values))


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Kit]:
    """A service in `folder` behind Starlette's test client, with a hook key and an admin key."""
    service = open_tiny_service(folder, **settings)
    try:
        service.refresher.refresh()
        keys = service.truth.keys
        tokens = [keys.create(actor=ACTOR, scope=scope)[1] for scope in ("hook", "admin")]
    except BaseException:
        service.close()
        raise
    hook, admin = ({"Authorization": f"Bearer {token}"} for token in tokens)
    with TestClient(serve.application(service), raise_server_exceptions=False) as client:
        yield Kit(service, client, hook, admin)
