"""Governance of references, reviews, sessions of people, and an audit log from which words can be erased."""

import hashlib
import json
import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1000
TIME = sa.DateTime(timezone=True)
GENESIS = "0" * 64
COUNTS = ("screened", "prompted", "review", "appealed", "counterfeit", "authentic", "unsure", "not_this_brand")


def upgrade() -> None:
    """Adds what governance, review and erasure need, and writes the audit chain again over salted digests."""
    _recheck(
        "api_keys",
        {"scope": "hook brand reviewer ml admin ops"},
        [sa.Column("rotated_from", sa.Text())],
    )
    _recheck(
        "references",
        {
            "kind": "authentic logo known_fake negative",
            "state": "pending active withdrawn rejected quarantined",
            "origin": "upload complaint appraisal file descriptor",
            "approval": "none person admin",
        },
        [
            sa.Column("origin", sa.Text(), nullable=False, server_default="upload"),
            sa.Column("evidence", sa.Text(), nullable=False, server_default=sa.text("''")),
            sa.Column("approval", sa.Text(), nullable=False, server_default="none"),
            sa.Column("approved_by", sa.Text()),
            sa.Column("expires_at", TIME),
        ],
    )
    op.create_index("ix_references_brand_id_kind_state_id", "references", ["brand_id", "kind", "state", "id"])
    # What waited for an admin's decision before goes on waiting for one.
    op.execute("UPDATE \"references\" SET approval = 'admin' WHERE state = 'pending'")
    _create()
    op.add_column(
        "screenings", sa.Column("last_event_at", TIME, nullable=False, server_default="1970-01-01 00:00:00+00:00")
    )
    op.execute("UPDATE screenings SET last_event_at = created_at")
    op.create_index("ix_screenings_last_event_at", "screenings", ["last_event_at"])
    op.create_index("ix_screenings_verdict_last_event_at", "screenings", ["verdict", "last_event_at"])
    op.create_index("ix_screenings_seller_id_id", "screenings", ["seller_id", "id"])
    _partial("ix_screenings_not_clear", "screenings", ["brand_id", "verdict", "id"], "verdict <> 'clear'")
    _fill_matches()
    _fill_reviews()
    _fill_counts()
    for name in ("salt", "before_hash", "after_hash"):
        op.add_column("audit", sa.Column(name, sa.Text()))
    _chain()


def _recheck(table: str, checks: dict[str, str], columns: list[sa.Column[object]]) -> None:
    """Adds columns, and constraints that list more words. SQLite cannot change a constraint: the table is copied."""
    listed = {
        column: f"{column} IN ({', '.join(repr(word) for word in words.split())})" for column, words in checks.items()
    }
    made = tuple(sa.CheckConstraint(text, name=op.f(f"ck_{table}_{column}")) for column, text in listed.items())
    old = [op.f(str(found["name"])) for found in sa.inspect(op.get_bind()).get_check_constraints(table)]
    with op.batch_alter_table(table, table_args=made) as batch:
        for name in old:
            batch.drop_constraint(name, type_="check")
        for added in columns:
            batch.add_column(added)
    if op.get_bind().dialect.name != "sqlite":  # there the table was copied, with `table_args`
        for column, text in listed.items():
            op.create_check_constraint(op.f(f"ck_{table}_{column}"), table, text)


def _one_of(table: str, column: str, words: str) -> sa.CheckConstraint:
    listed = ", ".join(repr(word) for word in words.split())
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{column}"))


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _foreign(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}")


def _create() -> None:
    op.create_table(
        "sessions",
        _text("digest"),
        _text("key_id"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        _foreign("sessions", "key_id", "api_keys"),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
    )
    op.create_index("ix_sessions_key_id", "sessions", ["key_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "audit_checkpoints",
        sa.Column("sequence", sa.BigInteger(), nullable=False, autoincrement=False),
        _text("hash"),
        _text("at"),
        _text("public_key"),
        _text("signature"),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_checkpoints"),
    )
    op.create_table(
        "screening_matches",
        _text("screening_id"),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        _text("reference_id"),
        _text("brand_id"),
        _text("kind"),
        _text("use"),
        sa.Column("score", sa.Float(), nullable=False),
        _text("verdict"),
        _text("outcome", nullable=True),
        _foreign("screening_matches", "screening_id", "screenings"),
        sa.PrimaryKeyConstraint("screening_id", "position", name="pk_screening_matches"),
    )
    op.create_index("ix_screening_matches_reference_id_screening_id", "screening_matches", ["reference_id", "screening_id"])
    op.create_index("ix_screening_matches_brand_id_screening_id", "screening_matches", ["brand_id", "screening_id"])
    for name, columns, rare in (
        ("not_clear", ["brand_id", "verdict", "screening_id"], "verdict <> 'clear'"),
        ("rare_kind", ["brand_id", "kind", "screening_id"], "kind <> 'authentic'"),
        ("decided", ["reference_id", "outcome", "screening_id"], "outcome IS NOT NULL"),
        ("brand_decided", ["brand_id", "outcome", "screening_id"], "outcome IS NOT NULL"),
    ):
        _partial(f"ix_screening_matches_{name}", "screening_matches", columns, rare)
    op.create_table(
        "daily_counts",
        _text("brand_id"),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False, server_default="0") for name in COUNTS),
        sa.PrimaryKeyConstraint("brand_id", "day", name="pk_daily_counts"),
    )
    op.create_table(
        "reference_impacts",
        _text("reference_id"),
        _text("encoder_id"),
        sa.Column("passed", sa.Boolean(), nullable=False),
        _text("impact"),
        sa.Column("created_at", TIME, nullable=False),
        _foreign("reference_impacts", "reference_id", "references"),
        sa.PrimaryKeyConstraint("reference_id", name="pk_reference_impacts"),
    )
    op.create_table(
        "standings",
        _text("brand_id"),
        _text("standing"),
        sa.Column("right", sa.Integer(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        _one_of("standings", "standing", "new good stopped"),
        _foreign("standings", "brand_id", "brands"),
        sa.PrimaryKeyConstraint("brand_id", name="pk_standings"),
    )
    op.create_table(
        "notices",
        _text("id"),
        _text("brand_id", nullable=True),
        _text("code"),
        _text("object_id"),
        _text("details"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("read_at", TIME),
        _foreign("notices", "brand_id", "brands"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_brand_id_id", "notices", ["brand_id", "id"])
    op.create_table(
        "reviews",
        _text("screening_id"),
        _text("brand_id", nullable=True),
        _text("state"),
        sa.Column("appealed", sa.Boolean(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("queued_at", TIME, nullable=False),
        _text("claimed_by", nullable=True),
        sa.Column("claimed_until", TIME),
        _text("outcome", nullable=True),
        sa.Column("decided_at", TIME),
        _one_of("reviews", "state", "open decided"),
        _foreign("reviews", "screening_id", "screenings"),
        _foreign("reviews", "brand_id", "brands"),
        sa.PrimaryKeyConstraint("screening_id", name="pk_reviews"),
    )
    for first in ("queued_at", "weight"):
        op.create_index(f"ix_reviews_state_{first}_screening_id", "reviews", ["state", first, "screening_id"])
    op.create_index("ix_reviews_brand_id_state", "reviews", ["brand_id", "state"])
    op.create_index("ix_reviews_brand_id_decided_at", "reviews", ["brand_id", "decided_at"])
    op.create_index("ix_reviews_brand_id_outcome_screening_id", "reviews", ["brand_id", "outcome", "screening_id"])
    op.create_index("ix_reviews_claimed_by", "reviews", ["claimed_by"])
    op.create_table(
        "decisions",
        _text("id"),
        _text("screening_id"),
        _text("outcome"),
        _text("notes"),
        sa.Column("created_at", TIME, nullable=False),
        _text("created_by"),
        _one_of("decisions", "outcome", "counterfeit authentic unsure not_this_brand"),
        _foreign("decisions", "screening_id", "screenings"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_screening_id", "decisions", ["screening_id"])
    op.create_index("ix_decisions_created_at", "decisions", ["created_at"])
    op.create_table(
        "responses",
        _text("id"),
        _text("screening_id"),
        _text("kind"),
        _text("text"),
        sa.Column("created_at", TIME, nullable=False),
        _text("created_by"),
        _one_of("responses", "kind", "edited withdrawn proof published_anyway"),
        _foreign("responses", "screening_id", "screenings"),
        sa.PrimaryKeyConstraint("id", name="pk_responses"),
    )
    op.create_index("ix_responses_screening_id", "responses", ["screening_id"])
    op.create_table(
        "response_images",
        _text("response_id"),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        _text("sha256"),
        _foreign("response_images", "response_id", "responses"),
        sa.PrimaryKeyConstraint("response_id", "position", name="pk_response_images"),
    )
    op.create_index("ix_response_images_sha256", "response_images", ["sha256"])
    op.create_table(
        "legal_holds",
        _text("id"),
        _text("kind"),
        _text("object_id"),
        _text("reason"),
        sa.Column("created_at", TIME, nullable=False),
        _text("created_by"),
        sa.Column("released_at", TIME),
        _text("released_by", nullable=True),
        _one_of("legal_holds", "kind", "screening brand seller"),
        sa.PrimaryKeyConstraint("id", name="pk_legal_holds"),
    )
    op.create_index("ix_legal_holds_kind_object_id", "legal_holds", ["kind", "object_id"])
    op.create_table(
        "receipts",
        _text("id"),
        _text("kind"),
        _text("subject"),
        _text("counts"),
        _text("created_at"),
        _text("created_by"),
        _text("public_key"),
        _text("signature"),
        sa.PrimaryKeyConstraint("id", name="pk_receipts"),
    )
    op.create_index("ix_receipts_subject", "receipts", ["subject"])
    op.create_table(
        "erasures",
        _text("subject"),
        _text("kind"),
        _text("counts"),
        sa.Column("started_at", TIME, nullable=False),
        _text("started_by"),
        sa.PrimaryKeyConstraint("subject", name="pk_erasures"),
    )


def _fill_matches() -> None:
    """The evidence of the screenings that are there, as rows."""
    columns = ("screening_id", "position", "reference_id", "brand_id", "kind", "use", "score", "verdict")
    matches = sa.table("screening_matches", *map(sa.column, columns))
    rows = sa.table("screenings", *map(sa.column, ("id", "answer", "verdict")))
    query = sa.select(rows.c.id, rows.c.answer, rows.c.verdict).order_by(rows.c.id).limit(ROWS_AT_ONCE)
    connection, after = op.get_bind(), ""
    while found := connection.execute(query.where(rows.c.id > after)).all():
        values = [
            {"screening_id": identifier, "position": position, "verdict": verdict}
            | {name: entry[name] for name in ("reference_id", "brand_id", "kind", "use", "score")}
            for identifier, answer, verdict in ((row.id, json.loads(row.answer), row.verdict) for row in found)
            for position, entry in enumerate(answer.get("evidence", ()))
        ]
        if values:
            connection.execute(sa.insert(matches), values)
        after = found[-1].id


def _fill_reviews() -> None:
    """Cases of the screenings that are there and that a person should look at; prices count in their own currency."""
    columns = ("screening_id", "brand_id", "state", "appealed", "shown", "value", "weight", "queued_at")
    reviews = sa.table("reviews", *map(sa.column, columns))
    names = ("id", "answer", "request", "brand_id", "probability", "created_at")
    rows = sa.table("screenings", *map(sa.column, (*names, "verdict")))
    query = sa.select(*(rows.c[name] for name in names)).where(rows.c.verdict.in_(("prompt", "review")))
    connection, after = op.get_bind(), ""
    while found := connection.execute(query.where(rows.c.id > after).order_by(rows.c.id).limit(ROWS_AT_ONCE)).all():
        connection.execute(sa.insert(reviews), [_case(row) for row in found])
        after = found[-1].id


def _case(row: sa.Row[Any]) -> dict[str, Any]:
    answer, price = json.loads(row.answer), json.loads(row.request).get("price")
    amount = min(max(float(price["amount"]), 1.0), 1000.0) if price else 1.0
    value = max(row.probability, 0.001) * max(answer["brand"].get("confidence", 0.0), 0.1) * amount
    return {
        "screening_id": row.id,
        "brand_id": row.brand_id,
        "state": "open",
        "appealed": False,
        "shown": answer.get("prompt") is not None,
        "value": value,
        "weight": value,
        "queued_at": row.created_at,
    }


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _fill_counts() -> None:
    """The days of the screenings that are there; by brand, and of all."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    day = "CAST(created_at AT TIME ZONE 'UTC' AS DATE)" if postgresql else "date(created_at)"
    for brand in ("COALESCE(brand_id, '')", "'*'"):
        op.execute(
            "INSERT INTO daily_counts (brand_id, day, screened, prompted, review)"
            f" SELECT {brand}, {day}, COUNT(*), SUM(CASE WHEN verdict IN ('prompt', 'review') THEN 1 ELSE 0 END),"
            f" SUM(CASE WHEN verdict = 'review' THEN 1 ELSE 0 END) FROM screenings GROUP BY 1, 2"
        )


def _chain() -> None:
    """Writes every row's hash again. The last row says what the chain's end was before, so a copy of it still fits."""
    contents = ("sequence", "at", "actor", "action", "kind", "object_id")
    names = (*contents, "before", "after", "salt", "before_hash", "after_hash", "previous_hash", "hash")
    audit = sa.table("audit", *map(sa.column, names))
    head = sa.table("audit_head", sa.column("count"), sa.column("hash"))
    connection = op.get_bind()
    count, old_head = connection.execute(sa.select(head.c["count"], head.c.hash)).one()
    if not count:
        return
    query = sa.select(*(audit.c[name] for name in (*contents, "before", "after"))).order_by(audit.c.sequence)
    change = (
        sa.update(audit)
        .where(audit.c.sequence == sa.bindparam("row"))
        .values({name: sa.bindparam(f"new_{name}") for name in names[8:]})
    )
    previous, done = GENESIS, 0
    while found := connection.execute(query.where(audit.c.sequence > done).limit(ROWS_AT_ONCE)).all():
        values = []
        for row in found:
            made = _hashed(dict(row._mapping), previous)
            values.append({"row": row.sequence} | {f"new_{name}": made[name] for name in names[8:]})
            previous, done = str(made["hash"]), row.sequence
        connection.execute(change, values)
    note = {
        "sequence": done + 1,
        "at": connection.execute(sa.select(audit.c["at"]).where(audit.c.sequence == done)).scalar_one(),
        "actor": "migration:r0003",
        "action": "audit.rechain",
        "kind": "audit",
        "object_id": "audit",
        "before": json.dumps({"count": count, "hash": old_head}, sort_keys=True, separators=(",", ":")),
        "after": None,
    }
    made = _hashed(note, previous)
    connection.execute(sa.insert(audit).values(made))
    connection.execute(sa.update(head).values({"count": done + 1, "hash": made["hash"]}))


def _hashed(row: dict[str, object], previous: str) -> dict[str, object]:
    """The row with its digests and hash, as `brands.audit` made them when this revision was written."""
    salt = secrets.token_hex(16)
    for name in ("before", "after"):
        said = row[name]
        row[f"{name}_hash"] = None if said is None else hashlib.sha256(f"{salt}:{said}".encode()).hexdigest()
    covered = {name: row[name] for name in ("sequence", "at", "actor", "action", "kind", "object_id")}
    covered |= {"before_hash": row["before_hash"], "after_hash": row["after_hash"], "previous": previous}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return {**row, "salt": salt, "previous_hash": previous, "hash": hashlib.sha256(text.encode()).hexdigest()}
