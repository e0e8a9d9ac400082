"""Signed checkpoints of the audit log: whoever rewrites the whole chain cannot sign what it was before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import audit
from brands.errors import ChainBroken
from brands.schema import audit as audit_rows
from brands.schema import audit_checkpoints, audit_head
from brands.signing import Signer, is_signed

_TYPE = "audit checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The hash of row `sequence`, as it was `at` (ISO 8601); key and signature in base64."""

    sequence: int
    hash: str
    at: str
    public_key: str
    signature: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found: the chain's report, checkpoints that fit, the last row that one covers, what is wrong."""

    chain: audit.AuditReport
    checkpoints: int
    covered: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether chain and checkpoints are what was written."""
        return self.chain.ok and not self.problems


def are_due(conn: Connection, *, every: int) -> bool:
    """Whether `make_due` would sign something."""
    last, count = _last(conn), conn.execute(sa.select(audit_head.c.count)).scalar_one()
    return bool(count // every > (last.sequence if last else 0) // every)


def make_due(conn: Connection, signer: Signer, *, every: int, at: datetime) -> int:
    """Signs the rows whose number is a multiple of `every` and that no checkpoint covers; how many were signed.

    What lies between two checkpoints is checked before the later one is signed: a signature must not cover a change
    that somebody made since. Raises ChainBroken.
    """
    count, _ = audit.lock(conn)
    last, made = _last(conn), 0
    while (next_one := ((last.sequence if last else 0) // every + 1) * every) <= count:
        last = _make(conn, signer, last, next_one, at)
        made += 1
    return made


def make(conn: Connection, signer: Signer, *, at: datetime) -> Checkpoint | None:
    """Signs the last row now; None for an empty log. Raises ChainBroken."""
    count, _ = audit.lock(conn)
    last = _last(conn)
    if count == (last.sequence if last else 0):
        return last
    return _make(conn, signer, last, count, at)


def fetch_page(conn: Connection, *, after: int, limit: int) -> tuple[Checkpoint, ...]:
    """Up to `limit` checkpoints by number, those of rows behind `after` only."""
    columns = [audit_checkpoints.c[field.name] for field in fields(Checkpoint)]
    query = sa.select(*columns).where(audit_checkpoints.c.sequence > after).order_by(audit_checkpoints.c.sequence)
    return tuple(Checkpoint(**row._mapping) for row in conn.execute(query.limit(limit)))


def verify(conn: Connection, trusted: Sequence[str], copies: Sequence[Checkpoint] = ()) -> Verified:
    """Walks the chain and compares it with every checkpoint in the database and with `copies` kept elsewhere.

    `trusted` are the public keys that may have signed. `conn` must be a `Database.read()`.
    """
    chain = audit.verify(conn)
    problems: list[str] = []
    fitting, covered, after = 0, 0, 0
    while page := fetch_page(conn, after=after, limit=1000):
        after = page[-1].sequence
        found = _hashes(conn, page)
        for checkpoint in page:
            if problem := problem_of(checkpoint, found.get(checkpoint.sequence), trusted):
                problems.append(problem)
            else:
                fitting, covered = fitting + 1, checkpoint.sequence
    found = _hashes(conn, copies)
    for copy in copies:
        if problem := problem_of(copy, found.get(copy.sequence), trusted):
            problems.append(f"copy of {problem}")
        else:
            covered = max(covered, copy.sequence)
    return Verified(chain, fitting, covered, tuple(problems))


def problem_of(checkpoint: Checkpoint, digest: str | None, trusted: Sequence[str]) -> str | None:
    """What is wrong with a checkpoint of the row whose hash is `digest` (None: there is no such row)."""
    name = f"checkpoint {checkpoint.sequence}"
    if checkpoint.public_key not in trusted:
        return f"{name}: signed by a key that is not trusted"
    signed = {"sequence": checkpoint.sequence, "hash": checkpoint.hash, "at": checkpoint.at}
    if not is_signed(checkpoint.public_key, _TYPE, signed, checkpoint.signature):
        return f"{name}: the signature does not fit"
    if digest is None:
        return f"{name}: the log has no such row"
    return None if digest == checkpoint.hash else f"{name}: the row's hash is another"


def record(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint as JSON, to be kept elsewhere."""
    return asdict(checkpoint)


def parsed(value: Mapping[str, Any]) -> Checkpoint:
    """A checkpoint from its JSON. Raises ValueError."""
    try:
        checkpoint = Checkpoint(**{field.name: value[field.name] for field in fields(Checkpoint)})
    except (KeyError, TypeError):
        raise ValueError("not a checkpoint of an audit log") from None
    texts = (checkpoint.hash, checkpoint.at, checkpoint.public_key, checkpoint.signature)
    if not isinstance(checkpoint.sequence, int) or not all(isinstance(text, str) for text in texts):
        raise ValueError("not a checkpoint of an audit log")
    return checkpoint


def _make(conn: Connection, signer: Signer, last: Checkpoint | None, sequence: int, at: datetime) -> Checkpoint:
    after, previous = (last.sequence, last.hash) if last else (0, audit.GENESIS)
    report = audit.check_part(conn, after=after, previous=previous, until=sequence)
    if not report.ok:
        raise ChainBroken(f"The audit log is not what was written from row {report.first_bad} on; nothing is signed.")
    signed: dict[str, Any] = {"sequence": sequence, "hash": report.head, "at": audit.iso(at)}
    made = Checkpoint(**signed, public_key=signer.public_key, signature=signer.sign(_TYPE, signed))
    conn.execute(sa.insert(audit_checkpoints).values(asdict(made)))
    return made


def _last(conn: Connection) -> Checkpoint | None:
    columns = [audit_checkpoints.c[field.name] for field in fields(Checkpoint)]
    query = sa.select(*columns).order_by(audit_checkpoints.c.sequence.desc()).limit(1)
    row = conn.execute(query).first()
    return None if row is None else Checkpoint(**row._mapping)


def _hashes(conn: Connection, checkpoints: Sequence[Checkpoint]) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(checkpoints), 500):
        wanted = [checkpoint.sequence for checkpoint in checkpoints[start : start + 500]]
        query = sa.select(audit_rows.c.sequence, audit_rows.c.hash).where(audit_rows.c.sequence.in_(wanted))
        found.update((row.sequence, row.hash) for row in conn.execute(query))
    return found
