"""Vectors only: builds, searches, stores and swaps snapshots of a FAISS index; knows nothing of brands or pictures."""
