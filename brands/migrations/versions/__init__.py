"""The revisions, oldest first; each is frozen once released and imports nothing from `brands`."""
