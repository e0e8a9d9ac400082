"""Listings that are looked at once more: of linked shops, and those that were answered in a hurry."""
