"""Facts and words of pictures, prices by category, and the columns of a screening that its features are counted from."""

import json

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1000


def upgrade() -> None:
    """Adds tables, columns and indexes, and fills the columns for the screenings that are there."""
    op.create_table(
        "picture_facts",
        sa.Column("image_sha256", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("pdq", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("image_sha256", "version", name="pk_picture_facts"),
    )
    op.create_table(
        "picture_texts",
        sa.Column("image_sha256", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("image_sha256", "reader", name="pk_picture_texts"),
    )
    op.create_table(
        "reference_prices",
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.id"], name="fk_reference_prices_brand_id"),
        sa.PrimaryKeyConstraint("brand_id", "category", name="pk_reference_prices"),
    )
    for column in (
        sa.Column("brand_status", sa.Text(), nullable=False, server_default="unknown"),
        sa.Column("known_fake", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("category", sa.Text()),
        sa.Column("features", sa.Text()),
    ):
        op.add_column("screenings", column)
    _fill()
    op.create_index("ix_screenings_brand_status_id", "screenings", ["brand_status", "id"])
    op.create_index("ix_screenings_seller_id_known_fake", "screenings", ["seller_id", "known_fake"])
    op.drop_index("ix_screenings_seller_id", "screenings")  # the index above begins with the same column


def _fill() -> None:
    """Reads brand, reasons and category out of the JSON of request and answer, the same way on both databases."""
    rows = sa.table("screenings", *map(sa.column, ("id", "request", "answer", "brand_status", "known_fake", "category")))
    query = sa.select(rows.c.id, rows.c.request, rows.c.answer).order_by(rows.c.id).limit(ROWS_AT_ONCE)
    change = (
        sa.update(rows)
        .where(rows.c.id == sa.bindparam("row_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in ("brand_status", "known_fake", "category")})
    )
    connection, after = op.get_bind(), ""
    while found := connection.execute(query.where(rows.c.id > after)).all():
        connection.execute(change, [_values(*row) for row in found])
        after = found[-1].id


def _values(row_id: str, request: str, answer: str) -> dict[str, object]:
    asked, answered = json.loads(request), json.loads(answer)
    return {
        "row_id": row_id,
        "new_brand_status": answered["brand"]["status"],
        "new_known_fake": any(reason["code"] == "known_fake_copy" for reason in answered["reasons"]),
        "new_category": asked.get("category"),
    }
