"""Judges a listing: encode, match, features, verdict, HTTP, CLI."""
