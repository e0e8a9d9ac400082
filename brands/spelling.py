"""When two names are the same: the one key under which brands, words and categories are compared."""

from __future__ import annotations

import unicodedata


def name_key(name: str) -> str:
    """The form under which two names are the same: NFKC, case folded, white space runs as one space.

    NFKC around the folding, because folding can bring back what NFKC removes (Unicode 3.13, D145).
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.split())
