"""Appraisals and spot checks, models and their switches, sellers' ledger, buyers' signals, webhooks."""

import json

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1000
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds the tables, and keeps the links between shops that listings told of so far."""
    _create()
    _fill_links()


def _fill_links() -> None:
    connection = op.get_bind()
    after = ""
    text = sa.text(
        "SELECT id, seller_id, request, created_at FROM screenings WHERE id > :after ORDER BY id LIMIT :most"
    ).columns(created_at=TIME)
    while rows := connection.execute(text, {"after": after, "most": ROWS_AT_ONCE}).all():
        after = rows[-1].id
        for row in rows:
            for linked in json.loads(row.request).get("seller", {}).get("linked", []):
                if linked == row.seller_id:
                    continue
                connection.execute(
                    sa.text(
                        "INSERT INTO seller_links (seller_id, linked_id, seen_at) VALUES (:one, :other, :at)"
                        " ON CONFLICT (seller_id, linked_id) DO UPDATE SET seen_at = excluded.seen_at"
                    ).bindparams(sa.bindparam("at", type_=TIME)),
                    {"one": row.seller_id, "other": linked, "at": row.created_at},
                )


def _create() -> None:
    op.create_table(
        "bursts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("chance", sa.Float(), nullable=False),
        sa.Column("begins_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('brand', 'seller', 'category')", name=op.f("ck_bursts_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bursts")),
    )
    op.create_index(op.f("ix_bursts_ends_at"), "bursts", ["ends_at"])
    op.create_index(op.f("ix_bursts_kind_subject_begins_at"), "bursts", ["kind", "subject", "begins_at"], unique=True)
    op.create_table(
        "model_releases",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("encoder", sa.Text(), nullable=False),
        sa.Column("judge", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("shadow_share", sa.Float(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("proposed_at", TIME, nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("approved_at", TIME, nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'approved', 'active', 'retired', 'refused')", name=op.f("ck_model_releases_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_releases")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=True),
        sa.Column("brand_id", sa.Text(), nullable=True),
        sa.Column("screening_id", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_brand_id"), "outbox", ["brand_id"])
    op.create_index(op.f("ix_outbox_created_at"), "outbox", ["created_at"])
    op.create_index(op.f("ix_outbox_screening_id"), "outbox", ["screening_id"])
    op.create_index(op.f("ix_outbox_seller_id"), "outbox", ["seller_id"])
    op.create_table(
        "seller_links",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("linked_id", sa.Text(), nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "linked_id", name=op.f("pk_seller_links")),
    )
    op.create_index(op.f("ix_seller_links_linked_id"), "seller_links", ["linked_id"])
    op.create_table(
        "spot_check_plans",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("budget", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("population", sa.Integer(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("cancelled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spot_check_plans")),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("secret_number", sa.Integer(), nullable=False),
        sa.Column("previous_until", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused', 'removed')", name=op.f("ck_webhook_endpoints_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_table(
        "deliveries",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", TIME, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f("ck_deliveries_state")),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_deliveries_endpoint_id")),
        sa.ForeignKeyConstraint(["message_id"], ["outbox.id"], name=op.f("fk_deliveries_message_id")),
        sa.PrimaryKeyConstraint("message_id", "endpoint_id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_endpoint_id"), "deliveries", ["endpoint_id"])
    op.create_index(op.f("ix_deliveries_state_next_at"), "deliveries", ["state", "next_at"])
    op.create_table(
        "model_switches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("previous_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('promote', 'rollback')", name=op.f("ck_model_switches_kind")),
        sa.ForeignKeyConstraint(["previous_id"], ["model_releases.id"], name=op.f("fk_model_switches_previous_id")),
        sa.ForeignKeyConstraint(["release_id"], ["model_releases.id"], name=op.f("fk_model_switches_release_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_switches")),
    )
    op.create_table(
        "appraisals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("screening_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=True),
        sa.Column("appraiser", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("cost_amount", sa.Text(), nullable=True),
        sa.Column("cost_currency", sa.Text(), nullable=True),
        sa.Column("evidence_hash", sa.Text(), nullable=True),
        sa.Column("evidence_uri", sa.Text(), nullable=True),
        sa.Column("bought_on", sa.Date(), nullable=True),
        sa.Column("appraised_on", sa.Date(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("import_id", sa.Text(), nullable=True),
        sa.Column("withdrawn_at", TIME, nullable=True),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.Column("withdrawn_reason", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "method IN ('brand', 'laboratory', 'expert', 'documents', 'other')", name=op.f("ck_appraisals_method")
        ),
        sa.CheckConstraint(
            "outcome IN ('counterfeit', 'authentic', 'inconclusive')", name=op.f("ck_appraisals_outcome")
        ),
        sa.CheckConstraint("source IN ('api', 'csv', 'label_studio', 'cli')", name=op.f("ck_appraisals_source")),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], name=op.f("fk_appraisals_brand_id")),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name=op.f("fk_appraisals_screening_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appraisals")),
    )
    op.create_index(op.f("ix_appraisals_appraised_on"), "appraisals", ["appraised_on"])
    op.create_index(op.f("ix_appraisals_brand_id_id"), "appraisals", ["brand_id", "id"])
    op.create_index(op.f("ix_appraisals_import_id"), "appraisals", ["import_id"])
    op.create_index(op.f("ix_appraisals_screening_id"), "appraisals", ["screening_id"])
    op.create_index(
        "uq_appraisals_screening_id_appraiser",
        "appraisals",
        ["screening_id", "appraiser"],
        unique=True,
        sqlite_where=sa.text("withdrawn_at IS NULL"),
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_table(
        "buyer_signals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("screening_id", sa.Text(), nullable=True),
        sa.Column("seller_id", sa.Text(), nullable=True),
        sa.Column("brand_id", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("suspicion", sa.Float(), nullable=False),
        sa.Column("suspected", sa.Boolean(), nullable=False),
        sa.Column("classifier", sa.Text(), nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('complaint', 'return', 'review')", name=op.f("ck_buyer_signals_kind")),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], name=op.f("fk_buyer_signals_brand_id")),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name=op.f("fk_buyer_signals_screening_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buyer_signals")),
        sa.UniqueConstraint("external_id", name=op.f("uq_buyer_signals_external_id")),
    )
    op.create_index(op.f("ix_buyer_signals_brand_id_occurred_at"), "buyer_signals", ["brand_id", "occurred_at"])
    op.create_index(op.f("ix_buyer_signals_listing_id"), "buyer_signals", ["listing_id"])
    op.create_index(op.f("ix_buyer_signals_screening_id"), "buyer_signals", ["screening_id"])
    op.create_index(op.f("ix_buyer_signals_seller_id_occurred_at"), "buyer_signals", ["seller_id", "occurred_at"])
    op.create_index(op.f("ix_buyer_signals_suspected_occurred_at"), "buyer_signals", ["suspected", "occurred_at"])
    op.create_table(
        "rescreens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("screening_id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("result_id", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("reason IN ('linked_seller', 'degraded')", name=op.f("ck_rescreens_reason")),
        sa.CheckConstraint("state IN ('queued', 'requested', 'done', 'failed')", name=op.f("ck_rescreens_state")),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name=op.f("fk_rescreens_screening_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescreens")),
    )
    op.create_index(op.f("ix_rescreens_cause"), "rescreens", ["cause"])
    op.create_index(op.f("ix_rescreens_listing_id"), "rescreens", ["listing_id"])
    op.create_index(op.f("ix_rescreens_screening_id_reason"), "rescreens", ["screening_id", "reason"], unique=True)
    op.create_index(op.f("ix_rescreens_seller_id"), "rescreens", ["seller_id"])
    op.create_index(op.f("ix_rescreens_state_id"), "rescreens", ["state", "id"])
    op.create_table(
        "seller_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=True),
        sa.Column("screening_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("severe", sa.Boolean(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("counts_until", TIME, nullable=True),
        sa.Column("reverses", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('violation', 'complaint', 'appeal', 'warning')", name=op.f("ck_seller_events_kind")
        ),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], name=op.f("fk_seller_events_brand_id")),
        sa.ForeignKeyConstraint(["reverses"], ["seller_events.id"], name=op.f("fk_seller_events_reverses")),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name=op.f("fk_seller_events_screening_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seller_events")),
        sa.UniqueConstraint("reverses", name=op.f("uq_seller_events_reverses")),
        sa.UniqueConstraint("source", name=op.f("uq_seller_events_source")),
    )
    op.create_index(op.f("ix_seller_events_brand_id"), "seller_events", ["brand_id"])
    op.create_index(op.f("ix_seller_events_screening_id"), "seller_events", ["screening_id"])
    op.create_index(op.f("ix_seller_events_seller_id_occurred_at"), "seller_events", ["seller_id", "occurred_at"])
    op.create_table(
        "shadow_judgements",
        sa.Column("screening_id", sa.Text(), nullable=False),
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("brand_status", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=True),
        sa.Column("milliseconds", sa.Float(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["model_releases.id"], name=op.f("fk_shadow_judgements_release_id")),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name=op.f("fk_shadow_judgements_screening_id")),
        sa.PrimaryKeyConstraint("screening_id", "release_id", name=op.f("pk_shadow_judgements")),
    )
    op.create_index(op.f("ix_shadow_judgements_brand_id"), "shadow_judgements", ["brand_id"])
    op.create_index(
        op.f("ix_shadow_judgements_release_id_created_at"), "shadow_judgements", ["release_id", "created_at"]
    )
    op.create_table(
        "spot_checks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("screening_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("inclusion", sa.Float(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=True),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('planned', 'ordered', 'appraised', 'cancelled')", name=op.f("ck_spot_checks_state")
        ),
        sa.CheckConstraint(
            "strategy IN ('random', 'fakes', 'uncertain', 'diverse', 'value', 'complaints')",
            name=op.f("ck_spot_checks_strategy"),
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["spot_check_plans.id"], name=op.f("fk_spot_checks_plan_id")),
        sa.ForeignKeyConstraint(["screening_id"], ["screenings.id"], name=op.f("fk_spot_checks_screening_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spot_checks")),
    )
    op.create_index(
        op.f("ix_spot_checks_plan_id_screening_id"), "spot_checks", ["plan_id", "screening_id"], unique=True
    )
    op.create_index(op.f("ix_spot_checks_screening_id"), "spot_checks", ["screening_id"])
    op.create_index(op.f("ix_spot_checks_state"), "spot_checks", ["state"])
    op.create_table(
        "seller_actions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("ends_at", TIME, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('recommended', 'executed', 'declined', 'reversed')", name=op.f("ck_seller_actions_state")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["seller_events.id"], name=op.f("fk_seller_actions_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seller_actions")),
    )
    op.create_index(op.f("ix_seller_actions_event_id"), "seller_actions", ["event_id"])
    op.create_index(op.f("ix_seller_actions_seller_id_id"), "seller_actions", ["seller_id", "id"])
    op.create_index(op.f("ix_seller_actions_state_id"), "seller_actions", ["state", "id"])
