"""What is kept how long, and deleted for good: old cases, and everything of a brand or a seller."""
