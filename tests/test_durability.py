"""Acknowledged means on disk: servers are killed at random and at bad moments, and nothing that they said is lost.

`FAULTS_KILLS` (6) is how often a server is killed on SQLite, and a fifth of it, 2 at least, on PostgreSQL;
`FAULTS_SEED` repeats a run's moments as far as the machine allows.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fault_kit import ROOT, SLICE, START_SECONDS, Launcher, Server, decode_workers, launching, wait_for_end
from fault_traffic import LET_IN, Ledger, Traffic, connect, record, send
from service_kit import ACTOR, Kit, encoded, picture, running
from sqlalchemy import event
from tiny_bundle import make_tiny_bundle

from brands import audit, schema
from brands.blobs import STALE_AFTER_S, FolderBlobs
from brands.database import Database
from brands.ids import utc_now
from brands.keys import Keys
from brands.model import BrandDetails
from brands.registry import Registry
from brands.secret import load_or_create_secret
from index.snapshot import KEEP, load_snapshot
from screener import decode_worker
from screener.bundle import load_bundle
from screener.preprocess import ImagePreprocess
from screener.release import read_pointer
from screener.settings import Settings

KILLS = int(os.environ.get("FAULTS_KILLS", "6"))
STRIDE = 5 if KILLS < 50 else 1
"""Of the steps towards the disk, every fifth is tried when it has to be quick."""
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().getrandbits(32))
TRAFFIC_S = 0.3
"""The longest that traffic goes on before a kill at a random moment."""
SEEN_S = 2.0
"""How long to wait for a moment that may not come, before killing anyway."""

linux_only = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfds and /proc")


class Generations:
    """One data directory, served by one process after the other; each is killed and its successor examined."""

    def __init__(self, folder: Path, database_url: str, launcher: Launcher, seed: int) -> None:
        self.data, self.launcher, self.chance, self.seed = folder / "var", launcher, random.Random(seed), seed
        self.encoder_id = load_bundle(folder / "bundle").id
        self.database = Database(database_url)
        self.ledger, self.kinds, self.starts = Ledger(), Counter[str](), list[float]()
        self.temporary_files = 0
        self.headers: dict[str, str] = {}
        self.second: dict[str, str] = {}
        self.brand_id = ""

    def prepare(self) -> None:
        """Keys of two people and a brand, from a process beside the server."""
        keys = Keys(self.database, load_or_create_secret(self.data / "secret"), utc_now)
        self.headers, self.second = (
            {"Authorization": f"Bearer {keys.create(actor=ACTOR, scope='admin')[1]}"} for _ in range(2)
        )
        registry = Registry(self.database, FolderBlobs(self.data / "blobs"), utc_now)
        self.brand_id = registry.add_brand(actor=ACTOR, details=BrandDetails(name="Norvell")).id

    def run(self, kills: int) -> None:
        """Kills `kills` servers and looks, each time, at what is left."""
        server = self.launcher.start_plain()  # the very first start, with no database yet
        while self.kinds.total() < kills:
            # A start is killed in about one of five; the first always, while it makes the database.
            if not self.kinds or (self.starts and self.chance.random() < 0.2):
                self._kill_while_starting(server)
            else:
                self.starts.append(server.wait_ready())
                if not self.brand_id:
                    self.prepare()
                self.examine(server)
                self._kill_in_traffic(server)
            self.examine_disk()
            server = self.launcher.start()
        self.starts.append(server.wait_ready())
        if not self.brand_id:
            self.prepare()
        self.examine(server)
        self._settle(server)

    def _settle(self, server: Server) -> None:
        """The first build that is left in peace clears away what the killed ones left."""
        with connect(server, self.headers) as client:
            before = client.get("/readyz").json()["snapshot"]
            upload = {"kind": "authentic"}, {"image": encoded(picture(0))}
            path = f"/v1/brands/{self.brand_id}/references"
            offered = client.post(path, data=upload[0], files=upload[1]).raise_for_status().json()
            if offered["state"] == "pending":  # one of the brand's first
                path = f"/v1/references/{offered['id']}/approve"
                client.post(path, json=LET_IN, headers=self.second).raise_for_status()
            while client.get("/readyz").json()["snapshot"] == before:
                assert not server.ended(SLICE)
        assert len(list((self.data / "index").glob("snp_*"))) <= KEEP
        assert list((self.data / "index").glob(".snp_*")) == list(self.data.glob(".CURRENT*")) == []

    def _kill_while_starting(self, server: Server) -> None:
        self.kinds["start"] += 1
        if self.kinds.total() == 1:
            self._until_seen(server, "var", seconds=30)
            server.ended(self.chance.uniform(0, 0.2))
        else:
            server.ended(self.chance.uniform(0, self.starts[-1]))
        self._kill(server)

    def _kill_in_traffic(self, server: Server) -> None:
        kinds = ["acknowledged", "moment", "snapshot", "picture"]
        kind = self.chance.choice(kinds if self.ledger.acknowledged else kinds[:1])
        self.kinds[kind] += 1
        enough, answers = threading.Event(), iter(range(self.chance.randrange(40), -1, -1))

        def acknowledged() -> None:
            if next(answers, 0) == 0:
                enough.set()

        label = f"{self.seed}/{self.kinds.total()}"
        traffic = Traffic(
            server, self.headers, self.second, self.brand_id, self.ledger, seed=label, acknowledged=acknowledged
        )
        traffic.start()
        if kind == "acknowledged":
            assert enough.wait(START_SECONDS)
        else:
            server.ended(self.chance.uniform(0, TRAFFIC_S))
        if kind in ("snapshot", "picture"):
            sign = {"snapshot": "var/index/.snp_*", "picture": "var/blobs/tmp/*"}[kind]
            self._until_seen(server, sign, seconds=SEEN_S)
            server.ended(self.chance.uniform(0, 0.02))
        assert not server.ended(0), "the server ended by itself"
        self._kill(server)
        traffic.join()

    def _until_seen(self, server: Server, pattern: str, *, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not any(self.data.parent.glob(pattern)) and time.monotonic() < until:
            server.ended(SLICE)

    def _kill(self, server: Server) -> None:
        server.kill()
        assert wait_for_end(decode_workers(self.data), 30) == []

    def examine_disk(self) -> None:
        """What a killed server leaves, before anything repairs it."""
        release = read_pointer(self.data)
        if release is not None:
            load_snapshot(self.data / "index" / release.snapshot, encoder_id=self.encoder_id)
        assert len(list(self.data.glob(".CURRENT*"))) <= 1
        assert len(list(self.data.glob("index/.snp_*"))) <= 1
        assert len(list(self.data.glob(".secret*"))) <= self.kinds["start"]
        before, self.temporary_files = self.temporary_files, len(list((self.data / "blobs" / "tmp").glob("*")))
        assert self.temporary_files <= before + 4, "one for each request that was under way"

    def examine(self, server: Server) -> None:
        """Everything acknowledged is there, and nothing is there by half."""
        assert self.ledger.refused == []
        with connect(server, self.headers) as client:
            self._repeat(client)
            with self.database.read() as connection:
                active = self._examine_references(connection)
                self._examine_screenings(connection)
                assert audit.verify(connection).ok
            self._examine_index(client, active)
            for screening in self._sample(self.ledger.screenings, 5):
                assert client.get(f"/v1/screenings/{screening}").json() == self.ledger.screenings[screening]
            self._search(client, active)

    def _repeat(self, client: httpx.Client) -> None:
        """A repeat gets the first answer, whether that reached us or not."""
        for publish in self.ledger.unsure:
            if publish.key:
                record(self.ledger, publish, send(client, publish))
        self.ledger.unsure.clear()
        for key in self._sample(self.ledger.repeatable, 3):
            publish, screening = self.ledger.repeatable[key]
            assert send(client, publish).json() == self.ledger.screenings[screening]

    def _examine_references(self, connection: sa.Connection) -> set[str]:
        blobs = FolderBlobs(self.data / "blobs")
        rows = {row.id: row for row in connection.execute(sa.select(schema.references))}
        audited = _audited(connection, "reference.add"), _audited(connection, "reference.withdrawn")
        assert audited[0] == Counter(rows.keys())
        assert audited[1] == Counter(row.id for row in rows.values() if row.state == "withdrawn")
        for row in rows.values():
            blobs.get(row.image_sha256)
        for reference, image in self.ledger.references.items():
            assert blobs.get(rows[reference].image_sha256) == image
            if reference in self.ledger.maybe_withdrawn and rows[reference].state == "withdrawn":
                self.ledger.withdrawn.add(reference)
            assert rows[reference].state == ("withdrawn" if reference in self.ledger.withdrawn else "active")
        for reference, image in self.ledger.offered.items():
            assert blobs.get(rows[reference].image_sha256) == image
            if rows[reference].state == "active":
                self.ledger.references[reference] = image
        for reference in self.ledger.references:
            self.ledger.offered.pop(reference, None)
        self.ledger.maybe_withdrawn.clear()
        return {row.id for row in rows.values() if row.state == "active"}

    def _examine_screenings(self, connection: sa.Connection) -> None:
        blobs = FolderBlobs(self.data / "blobs")
        answers = {row.id: row.answer for row in connection.execute(sa.select(schema.screenings))}
        assert _audited(connection, "screening.add") == Counter(answers.keys())
        assert self.ledger.screenings.items() <= answers.items()
        images: dict[str, list[dict[str, Any]]] = {screening: [] for screening in answers}
        for row in connection.execute(sa.select(schema.screening_images).order_by(schema.screening_images.c.position)):
            image = dict(row._mapping)
            images[image.pop("screening_id")].append(image)
            blobs.get(row.sha256)  # the servers run with `keep_images=all`
        assert images == {screening: answer["images"] for screening, answer in answers.items()}
        listings = Counter(answer["listing_id"] for answer in answers.values())
        keyed = {publish.listing["listing_id"] for publish, _ in self.ledger.repeatable.values()}
        assert {listing: listings[listing] for listing in keyed} == dict.fromkeys(keyed, 1)

    def _examine_index(self, client: httpx.Client, active: set[str]) -> None:
        """A server begins with an index that equals the registry."""
        release = read_pointer(self.data)
        assert release is not None
        snapshot = load_snapshot(self.data / "index" / release.snapshot, encoder_id=self.encoder_id)
        assert set(snapshot.ids) == active
        ready = client.get("/readyz").json()
        assert (ready["release"], ready["references"]) == (release.id, len(active))

    def _search(self, client: httpx.Client, active: set[str]) -> None:
        for reference in [*self._sample(active, 2), *self._sample(self.ledger.withdrawn, 1)]:
            image = self.ledger.references.get(reference)
            if image is None:
                continue  # it was stored, but its acknowledgement was cut off
            found = client.post(
                "/v1/screenings",
                files=[
                    ("listing", (None, '{"listing_id": "S", "title": "T", "seller": {"id": "s"}}', "application/json")),
                    ("image", ("image.png", image, "image/png")),
                ],
            ).json()
            self.ledger.screenings[found["id"]] = found
            assert (reference in {match["reference_id"] for match in found["evidence"]}) == (reference in active)

    def _sample(self, of: Any, count: int) -> list[str]:
        """Some, the newest among them."""
        ordered = sorted(of) if isinstance(of, set) else list(of)
        return list(dict.fromkeys([*ordered[-count:], *self.chance.sample(ordered, min(count, len(ordered)))]))


def _audited(connection: sa.Connection, action: str) -> Counter[str]:
    return Counter(
        connection.execute(sa.select(schema.audit.c.object_id).where(schema.audit.c.action == action)).scalars()
    )


@pytest.mark.faults
@linux_only
@pytest.mark.timeout(120 + 10 * KILLS)
def test_killed_servers_lose_nothing(empty_database_url: str, tmp_path: Path) -> None:
    sqlite = empty_database_url.startswith("sqlite")
    kills = KILLS if sqlite else max(2, KILLS // 5)
    data = tmp_path / "var"
    url = f"sqlite:///{data / 'registry.sqlite3'}" if sqlite else empty_database_url
    make_tiny_bundle(tmp_path / "bundle")
    settings = {
        "bundle": tmp_path / "bundle",
        "data_dir": data,
        "database_url": url,
        "refresh_seconds": 0.02,
        "decode_workers": 1,
        "encode_workers": 1,
        "keep_images": "all",
        "log_level": "warning",
        "deadline_ms": 60_000,
    }
    print(f"to repeat the moments: FAULTS_SEED={SEED}")
    started = time.monotonic()
    with launching(tmp_path, **settings) as launcher:
        generations = Generations(tmp_path, url, launcher, SEED)
        try:
            generations.run(kills)
        finally:
            generations.database.close()
    ledger = generations.ledger
    assert ledger.acknowledged
    print(
        f"{kills} kills {dict(generations.kinds)} in {time.monotonic() - started:.0f} s; "
        f"acknowledged and found again: {len(ledger.references)} references, {len(ledger.withdrawn)} withdrawals, "
        f"{len(ledger.screenings)} screenings ({len(ledger.repeatable)} repeatable); "
        f"temporary files left: {generations.temporary_files}; "
        f"median seconds to ready: {statistics.median(generations.starts):.2f}"
    )
    for leftover in (data / "blobs" / "tmp").iterdir():
        os.utime(leftover, (0, time.time() - 2 * STALE_AFTER_S))
    FolderBlobs(data / "blobs")
    assert list((data / "blobs" / "tmp").iterdir()) == []


@pytest.mark.faults
@linux_only
def test_a_migration_can_be_killed_at_any_step(empty_database_url: str) -> None:
    assert killed_at_steps("migrate", empty_database_url) >= 30 // STRIDE


@pytest.mark.faults
@linux_only
def test_a_change_and_its_index_build_can_be_killed_at_any_step(tmp_path: Path) -> None:
    assert killed_at_steps("change", str(tmp_path)) >= 50 // STRIDE


def killed_at_steps(what: str, where: str) -> int:
    done = subprocess.run(
        [sys.executable, "-W", "error", "tests/crash_points.py", what, where, str(STRIDE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    print(f"{what}: killed at {done.stdout.strip()} steps")
    return int(done.stdout)


class Steps:
    """Records what goes to the disk, in order: `sync`, `rename`, `commit`. Files and folders are known by inode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, engine: sa.Engine) -> None:
        self.seen: list[tuple[str, int, str]] = []
        fsync, rename, replace = os.fsync, os.rename, os.replace

        def sync(handle: int) -> None:
            fsync(handle)
            self.seen.append(("sync", os.fstat(handle).st_ino, ""))

        def move(source: Any, target: Any) -> None:
            (replace if Path(source).is_file() else rename)(source, target)
            self.seen.append(("rename", Path(target).stat().st_ino, Path(target).name))

        monkeypatch.setattr(os, "fsync", sync)
        monkeypatch.setattr(os, "rename", move)
        monkeypatch.setattr(os, "replace", move)
        event.listen(engine, "commit", lambda _: self.seen.append(("commit", 0, "")))

    def of(self, path: Path) -> list[int]:
        """Where it happened that the content was synced, the name given, and the name synced."""
        inode, folder = path.stat().st_ino, path.parent.stat().st_ino
        named = self.seen.index(("rename", inode, path.name))
        content = [n for n, step in enumerate(self.seen) if step[:2] == ("sync", inode) and n < named]
        name = [n for n, step in enumerate(self.seen) if step[:2] == ("sync", folder) and n > named]
        assert content and name, "not synced"
        return [content[-1], named, name[0]]

    def last_commit(self) -> int:
        return max(n for n, step in enumerate(self.seen) if step[0] == "commit")


@pytest.fixture
def quiet_kit(tmp_path: Path) -> Iterator[Kit]:
    """A service that refreshes only when the test says so."""
    with running(tmp_path, refresh_seconds=60, keep_images="all") as kit:
        yield kit


def test_a_picture_is_on_disk_before_its_row_and_the_row_before_the_answer(
    quiet_kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit, image = quiet_kit, encoded(picture(1))
    brand = kit.add_brand("Norvell")
    steps = Steps(monkeypatch, kit.service.truth.database.engine)
    uploaded = kit.client.post(
        f"/v1/brands/{brand.id}/references", data={"kind": "logo"}, files={"image": image}, headers=kit.admin
    )
    assert uploaded.status_code == 201
    order = [*steps.of(kit.service.truth.blobs.path(uploaded.json()["image_sha256"])), steps.last_commit()]
    assert order == sorted(order)

    steps.seen.clear()
    screened = kit.screen([encoded(picture(2))]).json()
    order = [*steps.of(kit.service.truth.blobs.path(screened["images"][0]["sha256"])), steps.last_commit()]
    assert order == sorted(order)


def test_a_snapshot_is_on_disk_before_current_names_it(quiet_kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = quiet_kit
    kit.add_reference(kit.add_brand("Norvell"), "authentic", picture(1))
    steps = Steps(monkeypatch, kit.service.truth.database.engine)
    kit.refresh()
    data = kit.service.truth.settings.data_dir
    release = read_pointer(data)
    assert release is not None
    folder = data / "index" / release.snapshot
    files = [steps.seen.index(("sync", file.stat().st_ino, "")) for file in folder.iterdir()]
    assert len(files) == 4
    order = [max(files), *steps.of(folder), *steps.of(data / "CURRENT")]
    assert order == sorted(order)


def test_sqlite_writes_ahead_and_syncs_every_commit(quiet_kit: Kit) -> None:
    database = quiet_kit.service.truth.database
    for transaction in (database.read, database.write):
        with transaction() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def test_a_decoder_without_a_parent_ends_at_a_picture_that_never_does() -> None:
    """A worker learns from its socket that its parent is gone, but not while it decodes: an alarm ends it then."""
    script = (
        "import sys; from screener import decode_worker; decode_worker.ALONE_SECONDS = 1\n"
        "def spin(*_, **__):\n    while True: pass\n"
        "decode_worker.decode = spin; decode_worker.main()"
    )
    ours, theirs = socket.socketpair()
    limits, spec = Settings().image_limits, ImagePreprocess(64, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    with ours, theirs:
        worker = subprocess.Popen(
            [
                sys.executable,
                "-c",
                script,
                str(theirs.fileno()),
                json.dumps(asdict(limits)),
            ],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
        )
        ours.settimeout(30)
        decode_worker.receive(ours)
        decode_worker.send(ours, {"bytes": 1, "boxes": "listing", "spec": spec.to_json(), "large": None}, b"x")
    assert worker.wait(30) == -signal.SIGALRM
