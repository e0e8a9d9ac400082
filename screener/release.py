"""A release: encoder, snapshot, judge and policy that are switched together, named by one small file."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from index.durable import write_file
from index.snapshot import Snapshot
from screener.directory import Directory
from screener.encoder import Encoder
from screener.engine import Engine
from screener.errors import ReleaseRefused
from screener.hashes import ReferenceHashes
from screener.judging.model import Judge
from screener.judging.policy import Policy
from screener.name_vectors import NameVectors
from screener.package_words import PackageWords
from screener.releases.report import Models

POINTER = "CURRENT"
SHADOW = "SHADOW"
"""The pointer of a candidate that judges in the shadow of what is served."""


@dataclass(frozen=True, slots=True)
class Release:
    """What `CURRENT` names."""

    encoder: str
    snapshot: str
    judge: str
    policy: str

    @property
    def id(self) -> str:
        """`rel_` and 16 hex digits of SHA-256 over the four names."""
        return f"rel_{hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """Engine, judge and policy that were opened to be served together."""

    engine: Engine
    judge: Judge
    policy: Policy

    @property
    def ids(self) -> Models:
        """Their ids."""
        return Models(self.engine.id, self.judge.id, self.policy.id)

    def with_snapshot(self, snapshot_id: str) -> Release:
        """The release that they are with a snapshot."""
        return Release(self.engine.id, snapshot_id, self.judge.id, self.policy.id)


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything one screening reads, fixed for its whole length.

    `shown_from` is the score by use from which a brand counts as shown (`screener.open_set`), `packages` the words read
    on the references, `names` the brands' names as the text tower sees them (None where it is not used).
    """

    release: Release
    engine: Engine
    snapshot: Snapshot
    directory: Directory
    hashes: ReferenceHashes
    shown_from: Mapping[str, float]
    packages: PackageWords
    names: NameVectors | None
    judge: Judge
    policy: Policy

    @property
    def encoder(self) -> Encoder:
        """The engine's encoder."""
        return self.engine.encoder


def write_pointer(folder: Path, release: Release, pointer: str = POINTER) -> None:
    """Makes `release` the current one, atomically and durably; the caller holds `index.durable.locked(folder)`."""
    write_file(folder / pointer, json.dumps({"release": release.id, **asdict(release)}, indent=1).encode())


def read_pointer(folder: Path, pointer: str = POINTER) -> Release | None:
    """The current release, or None where none was ever made.

    Raises
    ------
    ReleaseRefused
        when the file is there but names no release
    """
    try:
        fields = json.loads((folder / pointer).read_bytes())
        identifier = fields.pop("release")
        release = Release(**fields)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReleaseRefused(f"The file {pointer} does not name a release.") from error
    if release.id != identifier:
        raise ReleaseRefused(f"The file {pointer} names a release by an id that is not its own.")
    return release


def named_snapshots(folder: Path) -> set[str]:
    """The snapshots that the pointers in `folder` name; a pointer that cannot be read names none."""
    named = set()
    for pointer in (POINTER, SHADOW):
        with contextlib.suppress(ReleaseRefused):
            if release := read_pointer(folder, pointer):
                named.add(release.snapshot)
    return named
