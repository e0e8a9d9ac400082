"""Kills a promotion and a rollback before their steps towards the disk; a start then serves old or new, never a mix.

`python release_crash.py FOLDER STRIDE` prints how many times it was killed. Every attempt begins from the same copy of
the data folder, so that all steps are reached: copying the models, embedding, the commit, the snapshot, `CURRENT`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from crash_points import at_every_step
from release_kit import ONE, TWO, make_candidate, make_report

from brands import audit
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.ids import utc_now
from brands.model import BrandDetails
from brands.registry import Registry
from index.live import Live
from index.snapshot import load_snapshot
from screener import logs
from screener.bundle import Bundle, load_bundle
from screener.engine import Engine
from screener.judging.model import load_judge
from screener.judging.policy import load_policy
from screener.picture_facts import PictureFacts
from screener.refresh import Refresher
from screener.release import Opened, Serving, read_pointer
from screener.releases.control import Releases
from screener.releases.opening import first_models
from screener.releases.registry import ModelRegistry
from screener.releases.report import Models
from screener.releases.store import BUNDLES, JUDGES, ModelStore, Paths, ids_of
from screener.settings import Settings


class Bench:
    """A service without a network, without decoders and without encoders: everything else is real."""

    def __init__(self, folder: Path, old: Paths) -> None:
        given = {"bundle": str(old.bundle), "judge": str(old.judge), "policy": str(old.policy)}
        settings = Settings(data_dir=folder, **given)
        self.folder = folder
        self.database = Database(settings.resolved_database_url)
        self.registry = Registry(self.database, FolderBlobs(folder / "blobs"), utc_now)
        self.models = ModelRegistry(self.database, ModelStore(settings), settings, utc_now)
        paths = first_models(self.models, settings)
        opened = Opened(engine_of(load_bundle(paths.bundle)), load_judge(paths.judge), load_policy(paths.policy))
        self.live: Live[Serving] = Live(clock=time.monotonic)
        self.refresher = Refresher(
            database=self.database,
            blobs=self.registry.blobs,
            opened=opened,
            reader=None,
            folder=folder,
            live=self.live,
            now=utc_now,
        )
        self.releases = Releases(
            registry=self.models,
            database=self.database,
            blobs=self.registry.blobs,
            refresher=self.refresher,
            open_engine=engine_of,
            now=utc_now,
        )
        self.refresher.refresh()

    def close(self) -> None:
        self.releases.close()
        self.database.close()


def engine_of(bundle: Bundle) -> Engine:
    """An engine whose vectors tell pictures and encoders apart, and need neither processes nor threads."""

    def encode(data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
        row = np.zeros((1, bundle.dim), np.float32)
        row[0, hashlib.sha256(bundle.id.encode() + data).digest()[0] % bundle.dim] = 1
        return row

    facts = PictureFacts(64, 64, np.zeros((8, 32), dtype=np.uint8), 0, 0.0, 0.0, 0.0, None)
    pool = SimpleNamespace(decode=lambda data, boxes: SimpleNamespace(pixels=data, facts=facts))
    encoder = SimpleNamespace(bundle=bundle, encode_pixels=encode, close=lambda: None)
    made = SimpleNamespace(id=bundle.id, bundle=bundle, encoder=encoder, pool=pool, recent=None, close=lambda: None)
    return cast(Engine, made)


def main(folder: Path, stride: int) -> int:
    """Promotes, then rolls back, cut off at every step."""
    old, new = make_candidate(folder / "old", bias=-2.0, seed=2).paths, make_candidate(folder / "new").paths
    first, second = ids_of(old), ids_of(new)
    data, pristine = folder / "var", folder / "pristine"
    in_fork(lambda: _fill(data, old))
    shutil.copytree(data, pristine)

    def promote() -> None:
        bench = Bench(data, old)
        report = make_report(second, first)
        release = bench.models.propose(new, report, actor=ONE)
        bench.releases.approve(release.id, actor=TWO)
        bench.releases.promote(release.id, actor=TWO, reason="better")
        assert bench.refresher.opened.ids == second

    def rollback() -> None:
        bench = Bench(data, old)
        bench.releases.rollback(actor=TWO, reason="worse")
        assert bench.refresher.opened.ids == first

    seen: set[Models] = set()

    def look() -> None:
        in_fork(lambda: _look(data, old, {first, second}))
        database = Database(Settings(data_dir=data).resolved_database_url)
        found = read_pointer(data)
        database.close()
        assert found is not None
        seen.add(Models(found.encoder, found.judge, found.policy))
        shutil.rmtree(data)
        shutil.copytree(pristine, data)

    kills = at_every_step(promote, look, stride)
    in_fork(promote)
    shutil.rmtree(pristine)
    shutil.copytree(data, pristine)
    kills += at_every_step(rollback, look, stride)
    assert seen == {first, second}, "cut off on one side of the commit only"
    return kills


def _fill(data: Path, old: Paths) -> None:
    """A brand with references, served with the first release."""
    database = Database(Settings(data_dir=data).resolved_database_url)
    database.migrate()
    registry = Registry(database, FolderBlobs(data / "blobs"), utc_now)
    brand = registry.add_brand(actor=ONE, details=BrandDetails(name="Norvell"))
    for number in range(3):
        picture = bytes([number]) * 64
        registry.add_reference(actor=ONE, brand_id=brand.id, kind="known_fake", data=picture, width=64, height=64)
    database.close()
    Bench(data, old).close()


def _look(data: Path, old: Paths, allowed: set[Models]) -> None:
    """What is on disk belongs together, and a start serves one whole release: that of the newest switch."""
    release = read_pointer(data)
    assert release is not None
    assert Models(release.encoder, release.judge, release.policy) in allowed
    load_snapshot(data / "index" / release.snapshot, encoder_id=release.encoder)
    for bundle in (data / BUNDLES).glob("enc_*"):
        load_bundle(bundle)
    for judge in (data / JUDGES).glob("jdg_*"):
        load_judge(judge)
    assert len(list(data.glob("*/.*.tmp"))) <= 1
    bench = Bench(data, old)
    with bench.database.read() as connection:
        assert audit.verify(connection).ok
    served, serving = bench.refresher.opened.ids, bench.live.current
    assert serving is not None
    assert served == bench.models.served()
    assert served in allowed
    assert serving.release == bench.refresher.opened.with_snapshot(serving.snapshot.manifest.id)
    assert serving.snapshot.manifest.encoder_id == served.encoder
    assert len(serving.snapshot.ids) == 3
    assert read_pointer(data) == serving.release
    assert bench.releases.fault is None
    active = [release for release in bench.models.list() if release.state == "active"]
    assert [release.models for release in active] == ([served] if bench.models.switches() else [])
    bench.close()


def in_fork(act: Callable[[], None]) -> None:
    """Runs `act` in a process of its own, so that this one stays without threads."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "the fork failed"


if __name__ == "__main__":
    logs.configure("error", "text")
    print(main(Path(sys.argv[1]), int(sys.argv[2])))
