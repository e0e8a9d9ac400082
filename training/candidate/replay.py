"""Screens the rows of a frozen data set again through the serving code on ONNX, with any encoder, judge and policy.

The registry is that of the data set, the day is that of each row, and what earlier screenings said of seller and
pictures is what was known then, told from the features as served: all that differs is the model.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands import audit, brand_changes, brand_rows
from brands.blobs import FolderBlobs
from brands.ids import utc_now
from brands.schema import brands as brands_table
from brands.schema import embeddings as embeddings_table
from brands.schema import metadata, picture_facts, references
from screener import embeddings, facts_store
from screener.answers import answer_of
from screener.assess import Asked, Assessment, Assessor, Stopwatch
from screener.errors import BundleRefused
from screener.judging.features import NAMES
from screener.judging.history import History
from screener.judging.model import load_judge
from screener.judging.policy import load_policy
from screener.listing import Listing
from screener.pictures import Looked
from screener.release import Serving
from screener.service import Service, open_service
from screener.settings import Settings
from training.frozen.model import Frozen, FrozenReference, FrozenRow
from training.progress import progress

ACTOR: Final = "cli:replay"
DEADLINE: Final = 120.0
"""Seconds for a listing: nothing is left out for lack of time."""
AT_ONCE: Final = 2
_NO_HISTORY: Final = History()
_MOST_BRANDS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A listing to screen: its pictures' bytes, the moment it is screened at, and what was known of the seller."""

    id: str
    listing: Listing
    images: tuple[bytes, ...]
    at: datetime
    history: History = _NO_HISTORY


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What the serving code made of n listings: features (n, F), probabilities (n,), verdicts, whether a known fake is
    copied (n,), the answers, and the seconds each took (n,)."""

    ids: tuple[str, ...]
    x: NDArray[np.float64]
    probability: NDArray[np.float64]
    verdicts: tuple[str, ...]
    known_fake: NDArray[np.bool_]
    answers: tuple[Mapping[str, Any], ...]
    seconds: NDArray[np.float64]

    @property
    def prompted(self) -> NDArray[np.bool_]:
        """Where the seller would be told, or a person would look, (n,)."""
        return np.array([verdict in ("prompt", "review") for verdict in self.verdicts], dtype=bool)


class Stage:
    """A service in a scratch folder with an encoder and the references of a data set; `open_stage` makes it."""

    def __init__(self, service: Service):
        self._service = service
        live = service.live.current
        assert live is not None
        self._live = live

    @property
    def encoder_id(self) -> str:
        """The id of its bundle."""
        return self._live.encoder.bundle.id

    def serving(self, judge: Path, policy: Path) -> Serving:
        """What is served with this judge and policy. Raises JudgeRefused, PolicyRefused."""
        loaded, rules = load_judge(judge), load_policy(policy)
        release = replace(self._live.release, judge=loaded.id, policy=rules.id)
        return replace(self._live, release=release, judge=loaded, policy=rules)

    def screen(self, serving: Serving, items: Sequence[Item], label: str = "Screening") -> Replayed:
        """Screens the items; vectors and facts of their pictures are kept for the next time."""

        def one(item: Item) -> tuple[Assessment, Mapping[str, Any], float]:
            started = time.monotonic()
            watch = Stopwatch()
            found = self._assess(serving, item, watch)
            seconds = time.monotonic() - started
            answer = answer_of(serving, found.evidence, found.judgement, found.looked, found.reading, found.at)
            answer["timings_ms"] = watch.result(started)
            return found, answer, seconds

        with ThreadPoolExecutor(AT_ONCE) as threads:
            done = []
            for _, found in zip(progress(items, label), threads.map(one, items), strict=True):
                self._keep(found[0].looked)
                done.append(found)
        return Replayed(
            ids=tuple(item.id for item in items),
            x=np.array([found.values for found, _, _ in done], dtype=np.float64).reshape(len(done), len(NAMES)),
            probability=np.array([found.judgement.probability for found, _, _ in done], dtype=np.float64),
            verdicts=tuple(answer["verdict"] for _, answer, _ in done),
            known_fake=np.array([found.known_fake for found, _, _ in done], dtype=bool),
            answers=tuple(answer for _, answer, _ in done),
            seconds=np.array([seconds for _, _, seconds in done], dtype=np.float64),
        )

    def fresh(self, serving: Serving, item: Item) -> float:
        """Seconds that an item takes whose pictures nobody has seen."""
        with self._service.truth.database.write() as conn:
            hashes = {hashlib.sha256(data).hexdigest() for data in item.images}
            conn.execute(sa.delete(embeddings_table).where(embeddings_table.c.image_sha256.in_(hashes)))
            conn.execute(sa.delete(picture_facts).where(picture_facts.c.image_sha256.in_(hashes)))
        started = time.perf_counter()
        self._assess(serving, item, Stopwatch())
        return time.perf_counter() - started

    def _assess(self, serving: Serving, item: Item, watch: Stopwatch) -> Assessment:
        service = self._service
        assessor = Assessor(
            database=service.truth.database,
            pictures=service.pictures,
            texts=service.texts,
            reading_ms=service.truth.settings.reading_ms,
            now=lambda: item.at,
        )
        asked = Asked(item.listing, item.images, time.monotonic() + DEADLINE)
        return assessor.assess(serving, asked, watch, history=item.history)

    def _keep(self, looked: Sequence[Looked]) -> None:
        new = [picture for picture in looked if picture.embedding and picture.facts and not picture.cached]
        if new:
            with self._service.truth.database.write() as conn:
                vectors = [picture.embedding for picture in new if picture.embedding]
                embeddings.store(conn, self.encoder_id, vectors, utc_now())
                facts_store.store(conn, {p.sha256: p.facts for p in new if p.facts}, utc_now())


@contextlib.contextmanager
def open_stage(
    dataset: Frozen,
    *,
    bundle: Path,
    exclude_references: Collection[str] = (),
    scratch: Path | None = None,
    reading_ms: int | None = None,
) -> Iterator[Stage]:
    """A service on the bundle that knows the brands and references of the data set, without some of these.

    What is computed stays in `scratch` (vectors by encoder) until whoever gave it removes it; without one, nothing
    stays. `reading_ms` is the time for the words in the pictures of a listing (None: what `SCREENER_READING_MS` says).

    Raises
    ------
    BundleRefused
        as starting the service does
    """
    with contextlib.ExitStack() as stack:
        if scratch is None:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replay-")))
        folder = scratch / encoder_id_of(bundle)
        settings = Settings(
            data_dir=folder, database_url="", bundle=str(bundle), judge="", policy="", keep_images="none"
        )
        if reading_ms is not None:
            settings = settings.model_copy(update={"reading_ms": reading_ms})
        service = stack.enter_context(open_service(settings))
        _register(service, dataset, frozenset(exclude_references))
        service.refresher.refresh()
        if service.texts:
            service.refresher.read_references()  # what a running server does by and by
        yield Stage(service)


def encoder_id_of(bundle: Path) -> str:
    """The id that a bundle's manifest gives itself; loading the bundle checks it. Raises BundleRefused."""
    try:
        return str(json.loads((bundle / "manifest.json").read_bytes())["id"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BundleRefused(f"{bundle} has no manifest that names it: {error}") from error


def replay(
    dataset: Frozen,
    *,
    bundle: Path,
    judge: Path,
    policy: Path,
    rows: Sequence[FrozenRow],
    exclude_references: Collection[str] = (),
    scratch: Path | None = None,
    reading_ms: int | None = None,
) -> Replayed:
    """Screens rows of a data set with a bundle, a judge and a policy; see `open_stage`.

    Raises
    ------
    FrozenRefused
        for a row whose pictures are not all in the data set
    BundleRefused, JudgeRefused, PolicyRefused
        as serving would
    """
    items = items_of(dataset, rows)
    with open_stage(
        dataset, bundle=bundle, exclude_references=exclude_references, scratch=scratch, reading_ms=reading_ms
    ) as stage:
        return stage.screen(stage.serving(judge, policy), items)


def items_of(dataset: Frozen, rows: Sequence[FrozenRow]) -> list[Item]:
    """Rows as they were sent, at the time they were screened, with what was known of the seller then."""
    place = {row.screening_id: number for number, row in enumerate(dataset.rows)}
    return [
        Item(
            id=row.screening_id,
            listing=Listing.of_record(row.listing),
            images=tuple(dataset.picture(sha256) for sha256 in row.pictures),
            at=row.created_at,
            history=history_of(dataset.x[place[row.screening_id]]),
        )
        for row in rows
    ]


def history_of(values: NDArray[np.float64]) -> History:
    """What earlier screenings said, from the features (F,) that were made of it."""
    known = dict(zip(NAMES, values.tolist(), strict=True))
    reuse = known["photo_reuse"]
    return History(
        known_fake_listings=round(2 ** known["known_fake_listings"] - 1),
        linked_known_fakes=round(2 ** known["linked_known_fakes"] - 1),
        photo_reuse=0.0 if math.isnan(reuse) else reuse,
    )


def _register(service: Service, dataset: Frozen, without: frozenset[str]) -> None:
    """Makes the scratch registry that of the data set, ids included, so that evidence names real references."""
    blobs: FolderBlobs = service.truth.blobs
    wanted = [one for one in dataset.references if one.id not in without and one.sha256 in dataset.kept]
    for sha256 in {one.sha256 for one in wanted}:
        blobs.put(dataset.picture(sha256))
    with service.truth.database.write() as conn:
        audit.lock(conn)
        known = {brand.id: brand.details for brand in dataset.brands}
        # The scratch may hold the registry of an earlier data set: other brands of these names, or other details.
        there = brand_rows.fetch_page(conn, state=None, after=None, limit=_MOST_BRANDS)
        if {brand.id: brand.details for brand in there} != known:
            for table in reversed(metadata.sorted_tables):
                if table is brands_table or any(key.column.table is brands_table for key in table.foreign_keys):
                    conn.execute(sa.delete(table))
            for brand_id, details in known.items():
                brand_changes.insert(conn, details, brand_id=brand_id, actor=ACTOR, at=utc_now())
        present = set(conn.execute(sa.select(references.c.id)).scalars())
        if present != {one.id for one in wanted}:
            conn.execute(sa.delete(references))
            rows = [_columns(one) for one in wanted if one.brand_id in known]
            if rows:
                conn.execute(sa.insert(references), rows)
            brand_rows.bump_version(conn)


def _columns(one: FrozenReference) -> dict[str, Any]:
    return {
        "id": one.id, "brand_id": one.brand_id, "kind": one.kind, "state": "active", "state_reason": "",
        "image_sha256": one.sha256, "box": one.box, "width": one.width, "height": one.height, "source": "",
        "notes": "", "origin": one.origin, "evidence": one.evidence, "approval": "none", "approved_by": None,
        "expires_at": None, "created_at": one.created_at, "created_by": ACTOR, "updated_at": one.created_at,
    }  # fmt: skip
