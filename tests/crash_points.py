"""Kills a process before every single step that it takes towards the disk, and looks at what is left each time.

`python crash_points.py migrate URL STRIDE` or `... change FOLDER STRIDE`; prints how many times it was killed. Each
attempt runs in a fork, which kills itself before its n-th step: a statement or commit, an fsync, a file opened for
writing, a rename, a new or removed name. STRIDE 1 tries every n, 5 every fifth.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from sqlalchemy import event

sys.path.insert(0, str(Path(__file__).parent.parent))

from brands import audit, schema
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.ids import utc_now
from brands.model import BrandDetails
from brands.registry import Registry
from index.live import Live
from index.snapshot import KEEP, load_snapshot
from screener import logs
from screener.engine import Engine
from screener.judging.model import Judge
from screener.judging.policy import Policy
from screener.picture_facts import PictureFacts
from screener.refresh import Refresher
from screener.release import Opened, Serving, read_pointer

_NAMES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link"}
_DIM = 8


def kill_before_step(number: int) -> None:
    """From now on, this process kills itself before its step of this number."""
    steps = itertools.count(1)

    def step(*_: Any) -> None:
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def audited(name: str, arguments: tuple[Any, ...]) -> None:
        if name in _NAMES or (name == "open" and isinstance(arguments[2], int) and arguments[2] & 3):
            step()

    real = os.fsync

    def fsync(handle: int) -> None:
        step()
        real(handle)

    os.fsync = fsync  # type: ignore[assignment]  # counts the steps, then calls the real one
    event.listen(sa.Engine, "before_cursor_execute", step)
    event.listen(sa.Engine, "commit", step)
    sys.addaudithook(audited)


def at_every_step(act: Callable[[], None], look: Callable[[], None], stride: int) -> int:
    """Runs `act` in forks, killed before ever later steps, until it comes through; gives how many were killed."""
    for kills, number in enumerate(itertools.count(stride, stride)):
        child = os.fork()
        if child == 0:
            kill_before_step(number)
            act()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        look()
        if status == 0:
            return kills
        assert os.WIFSIGNALED(status), "the fork failed by itself"
    raise AssertionError


def migrate(url: str, stride: int) -> int:
    """A migration is done or not begun, whenever it is cut off."""

    def act() -> None:
        Database(url).migrate()

    def look() -> None:
        database = Database(url)
        with database.read() as connection:
            tables = set(sa.inspect(connection).get_table_names())
        assert not tables or tables >= set(schema.metadata.tables), "half a schema"
        database.close()

    kills = at_every_step(act, look, stride)
    database = Database(url)
    with database.read() as connection:
        assert audit.verify(connection).ok
    database.close()
    return kills


def change(folder: Path, stride: int) -> int:
    """Upload, withdrawal and refresh: what was acknowledged is there, and `CURRENT` names a snapshot that loads."""
    url = f"sqlite:///{folder / 'registry.sqlite3'}"
    acknowledged = folder / "acknowledged"
    acknowledged.touch()
    brand_id = ""

    def opened() -> Registry:
        return Registry(Database(url), FolderBlobs(folder / "blobs"), utc_now)

    def act() -> None:
        _change(opened(), brand_id, folder, answers.fileno())

    def look() -> None:
        registry = opened()
        said = [line.split() for line in acknowledged.read_text().splitlines()]
        for reference_id, state in dict(said).items():
            reference = registry.get_reference(reference_id)
            assert state in ("maybe", reference.state), "an acknowledged change is gone"
        for reference in registry.list_references(limit=500):
            registry.blobs.get(reference.image_sha256)
        with registry.database.read() as connection:
            assert audit.verify(connection).ok
        registry.database.close()
        _look_at_index(folder)

    first = opened()
    first.database.migrate()
    brand_id = first.add_brand(actor="cli:test", details=BrandDetails(name="Norvell")).id
    first.database.close()
    with acknowledged.open("a") as answers:
        for _ in range(KEEP + 1):  # from then on, every change prunes
            whole = os.fork()
            if whole == 0:
                act()
                os._exit(0)
            assert os.waitpid(whole, 0)[1] == 0
        kills = at_every_step(act, look, stride)
    assert list((folder / "index").glob(".snp_*")) == []
    assert len(list((folder / "index").glob("snp_*"))) == KEEP
    return kills


def _change(registry: Registry, brand_id: str, folder: Path, answers: int) -> None:
    """One change of each kind, telling what is done; then the registry is followed."""
    older = registry.list_references(state="active", limit=500)
    added = registry.add_reference(
        actor="cli:test", brand_id=brand_id, kind="known_fake", data=os.urandom(64), width=64, height=64
    )
    os.write(answers, f"{added.id} active\n".encode())
    if len(older) > 2:
        os.write(answers, f"{older[0].id} maybe\n".encode())
        registry.set_reference_state(actor="cli:test", reference_id=older[0].id, state="withdrawn")
        os.write(answers, f"{older[0].id} withdrawn\n".encode())
    live: Live[Serving] = Live(clock=time.monotonic)
    bundle = SimpleNamespace(id="enc_test", dim=_DIM, background=None, operating_points={}, part_for=lambda use: None)
    encoder = SimpleNamespace(bundle=bundle, encode_pixels=_encode)
    facts = PictureFacts(64, 64, np.zeros((8, 32), dtype=np.uint8), 0, 0.0, 0.0, 0.0, None)
    pool = SimpleNamespace(decode=lambda data, boxes: SimpleNamespace(pixels=data, facts=facts))
    engine = SimpleNamespace(id="enc_test", bundle=bundle, encoder=encoder, pool=pool)
    Refresher(
        database=registry.database,
        blobs=registry.blobs,
        opened=Opened(
            cast(Engine, engine),
            cast(Judge, SimpleNamespace(id="jdg_test")),
            cast(Policy, SimpleNamespace(id="pol_test")),
        ),
        reader=None,
        folder=folder,
        live=live,
        now=utc_now,
    ).refresh()


def _encode(data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A unit row that tells bytes apart, exact in float16."""
    row = np.zeros((1, _DIM), np.float32)
    row[0, hashlib.sha256(data).digest()[0] % _DIM] = 1
    return row


def _look_at_index(folder: Path) -> None:
    release = read_pointer(folder)
    assert release is not None
    load_snapshot(folder / "index" / release.snapshot, encoder_id=release.encoder)
    assert len(list((folder / "index").glob(".snp_*"))) <= 1
    assert len(list(folder.glob(".CURRENT*"))) <= 1


if __name__ == "__main__":
    logs.configure("error", "text")
    _, _what, _where, _stride = sys.argv
    print(migrate(_where, int(_stride)) if _what == "migrate" else change(Path(_where), int(_stride)))
