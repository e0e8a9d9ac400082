"""Finds registered names and the vocabulary of copies in a listing's words, and tells claim from mention."""

from screener.words.finder import NameFinder
from screener.words.found import Context, How, Name, Phrase, Strength
from screener.words.replica import clean, is_unbranded, replica_words

__all__ = ["Context", "How", "Name", "NameFinder", "Phrase", "Strength", "clean", "is_unbranded", "replica_words"]
