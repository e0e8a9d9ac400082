"""What belongs to one encoder bundle at work: towers, decoders that prepare pictures for it, its recent listings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brands.database import Database
from screener.bundle import Bundle
from screener.encoder import Encoder
from screener.governance.recent import RecentListings
from screener.workers import DecodePool


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """An encoder and what goes with it; whoever takes one for a piece of work keeps to it until the end."""

    encoder: Encoder
    pool: DecodePool
    recent: RecentListings

    @property
    def bundle(self) -> Bundle:
        """The bundle that it runs."""
        return self.encoder.bundle

    @property
    def id(self) -> str:
        """The id of its bundle."""
        return self.encoder.bundle.id

    def close(self) -> None:
        """Ends the encoder's threads; the decoders are everybody's."""
        self.encoder.close()


def open_engine(bundle: Bundle, *, pool: DecodePool, workers: int, folder: Path, database: Database) -> Engine:
    """Starts a loaded bundle, checked against its golden outputs.

    `pool` gives the decoders; `folder` keeps the recent listings.

    Raises
    ------
    BundleRefused
        for a bundle that does not load, or computes something else
    """
    encoder = Encoder(bundle, workers=workers)
    try:
        encoder.check_golden()
    except BaseException:
        encoder.close()
        raise
    return Engine(encoder, pool.prepared(bundle.preprocess, bundle.dense), RecentListings(folder, bundle, database))
