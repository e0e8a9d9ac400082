"""Forty of forty attempts to poison the index fail, by a brand that is trusted, on the embedded encoder."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image
from poison import stolen, useless
from service_kit import ACTOR, Kit, encoded, running

from brands.ids import utc_now
from brands.importer import import_folder
from brands.model import Brand, ReferenceKind
from brands.schema import references
from screener.governance.bulk import settle_all
from screener.governance.standing import set_standing
from screener.samples import generate
from screener.settings import embedded_bundle

NEW = "jentovar"
"""Of the sample brands, the one that is not in the index."""


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A service with eleven honest brands in its index."""
    folder = tmp_path_factory.mktemp("poison")
    samples = generate(folder / "samples", seed=7)
    with running(folder, bundle=str(embedded_bundle()), refresh_seconds=60) as made:
        shutil.rmtree(samples.brands_dir / NEW)
        list(import_folder(samples.brands_dir, made.service.truth.registry, made.service.admit, actor=ACTOR))
        settle_all(made.service.doors, made.service.refresher)
        made.refresh()
        yield made


def _trusted(kit: Kit, name: str) -> tuple[Brand, dict[str, str], dict[str, str]]:
    """A brand in good standing that may let its own references in, and two of its keys."""
    brand = kit.add_brand(name)
    _, service = kit, kit.service
    honest = [
        service.truth.registry.add_reference(
            actor=ACTOR, brand_id=brand.id, kind="negative", data=b"%d" % n, width=9, height=9, state="pending"
        )
        for n in range(5)
    ]
    with service.truth.database.write() as connection:  # vouched for, and as nothing in the index
        connection.execute(
            sa.update(references)
            .where(references.c.id.in_([one.id for one in honest]))
            .values(state="active", approved_by="key:somebody")
        )
    set_standing(service.truth.database, brand.id, "good", reason="a test", actor=ACTOR, at=utc_now())
    keys = [service.truth.keys.create(actor=ACTOR, scope="brand", brand_id=brand.id)[1] for _ in range(2)]
    one, two = ({"Authorization": f"Bearer {key}"} for key in keys)
    return brand, one, two


def _pictures(kit: Kit, kind: ReferenceKind) -> list[Image.Image]:
    """The served pictures of a kind, painted as a browser does; of logos those that are nothing but the mark."""
    truth = kit.service.truth
    served = truth.registry.list_references(kind=kind, state="active")
    blobs = [truth.blobs.get(one.image_sha256) for one in served if kind != "logo" or one.box is None]
    found = [Image.open(io.BytesIO(data)).convert("RGBA") for data in blobs]
    return [Image.alpha_composite(Image.new("RGBA", one.size, "white"), one).convert("RGB") for one in found]


def test_forty_of_forty_attempts_never_reach_the_index(kit: Kit) -> None:
    official, logos = _pictures(kit, "authentic"), _pictures(kit, "logo")
    attempts = [*useless(official), *stolen(official[0], logos[0])]
    assert len(attempts) == 40
    brand, one, two = _trusted(kit, "Rogue")
    served = kit.service.live.current
    assert served is not None
    reached = []
    for name, kind, image in attempts:
        answer = kit.client.post(
            f"/v1/brands/{brand.id}/references",
            headers=one,
            files={"image": ("x.png", encoded(image), "image/png")},
            data={"kind": kind},
        )
        assert answer.status_code == 201, (name, answer.text)
        reference = answer.json()
        # The brand's second person tries to let it in; a trusted brand's may, where the check does not object.
        path = f"/v1/references/{reference['id']}/approve"
        for body in ({}, {"override": True, "reason": "please"}):
            kit.client.post(path, headers=two, json=body)
        state = kit.client.get(f"/v1/references/{reference['id']}", headers=one).json()
        if (state["state"], state["approval"]) != ("pending", "admin"):
            reached.append(name)
    kit.refresh()
    after = kit.service.live.current
    assert after is not None
    assert reached == []
    assert set(after.snapshot.ids) == set(served.snapshot.ids)


def test_an_honest_reference_of_a_trusted_brand_counts_at_once(kit: Kit, tmp_path: Path) -> None:
    """The rule must not be one that lets nothing in. Drawn goods of one kind look alike, so half is what to expect."""
    samples = generate(tmp_path / "samples", seed=7)
    brand, one, _ = _trusted(kit, "Honest")
    states = []
    for path in sorted((samples.brands_dir / NEW).glob("*/*.*")):
        if path.suffix != ".json" and path.parent.name in ("authentic", "logo"):
            answer = kit.client.post(
                f"/v1/brands/{brand.id}/references",
                headers=one,
                files={"image": ("x", path.read_bytes(), "image/png")},
                data={"kind": path.parent.name},
            )
            states.append(answer.json()["state"])
    assert states.count("active") >= len(states) / 2 > 0


def test_a_preview_says_why_and_not_whose(kit: Kit) -> None:
    brand, one, _ = _trusted(kit, "Curious")
    picture = encoded(_pictures(kit, "authentic")[0])
    form = {"files": {"image": ("x.png", picture, "image/png")}, "data": {"kind": "authentic"}}
    path = f"/v1/brands/{brand.id}/references/preview"
    seen = kit.client.post(path, headers=one, **form).json()["impact"]
    assert (seen["passed"], seen["blocking"], seen["rivals"]) == (False, ["other_brand"], [])
    shown = kit.client.post(path, headers=kit.admin, **form).json()["impact"]
    assert shown["rivals"][0]["reference_id"].startswith("ref_")
    assert shown["rivals"][0]["score"] == 1.0
    assert seen["background"]["size"] == 1024
    assert kit.service.truth.registry.list_references(brand_id=brand.id, kind="authentic") == ()
