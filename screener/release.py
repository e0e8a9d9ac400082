"""A release: encoder, snapshot, judge and policy that are switched together, named by one small file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from index.durable import write_file
from index.snapshot import Snapshot
from screener.directory import Directory
from screener.encoder import Encoder
from screener.errors import ReleaseRefused
from screener.hashes import ReferenceHashes
from screener.judging.model import Judge
from screener.judging.policy import Policy
from screener.name_vectors import NameVectors
from screener.package_words import PackageWords

POINTER = "CURRENT"


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


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything one screening reads, fixed for its whole length.

    `shown_from` is the score by use from which a brand counts as shown (`screener.open_set`), `packages` the words read
    on the references, `names` the brands' names as the text tower sees them (None where it is not used).
    """

    release: Release
    encoder: Encoder
    snapshot: Snapshot
    directory: Directory
    hashes: ReferenceHashes
    shown_from: Mapping[str, float]
    packages: PackageWords
    names: NameVectors | None
    judge: Judge
    policy: Policy


def write_pointer(folder: Path, release: Release) -> None:
    """Makes `release` the current one, atomically and durably; the caller holds `index.durable.locked(folder)`."""
    write_file(folder / POINTER, json.dumps({"release": release.id, **asdict(release)}, indent=1).encode())


def read_pointer(folder: Path) -> Release | None:
    """The current release, or None where none was ever made.

    Raises
    ------
    ReleaseRefused
        when the file is there but names no release
    """
    try:
        fields = json.loads((folder / POINTER).read_bytes())
        identifier = fields.pop("release")
        release = Release(**fields)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReleaseRefused("The file CURRENT does not name a release.") from error
    if release.id != identifier:
        raise ReleaseRefused("The file CURRENT names a release by an id that is not its own.")
    return release
