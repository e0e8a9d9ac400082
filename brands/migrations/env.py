"""Alembic's entry point: runs the revisions on the connection that `brands.migrate.upgrade` hands over."""

from alembic import context

from brands.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Alembic thinks that SQLite cannot roll back DDL: that was the driver's transaction control, which is off.
    transactional_ddl=True,
)
context.run_migrations()
