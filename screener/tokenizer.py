"""Turns words into the token ids that a text tower reads, equal to open_clip's tokenizers, without torch.

One deliberate difference: control tokens ("<end_of_text>", "</s>") written in a listing are read as plain words here.
open_clip maps them to the control ids, with which a seller could cut a title off before the part that gives it away.
"""

from __future__ import annotations

import html
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import ftfy
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Clean = Literal["lower", "canonicalize", "whitespace"]

MAX_CONTEXT = 4096
# Only the first tokens are kept, so a long text is cut before the costly clean-up. One token of context gets room for
# 64 characters; HTML entities and runs of blanks beyond that could in theory have made room for more words.
_CHARACTERS_PER_TOKEN = 64
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class TextPreprocess:
    """How words become tokens.

    ``context_length`` is the longest row in tokens. Rows are padded on the right with ``pad_id``: to the longest of the
    batch where ``dynamic_length`` (the tower ignores what follows the end token), else to ``context_length``.
    ``drop_id`` is replaced by 0 (open_clip's strip_sep_token), ``last_id`` always fills the last place (its "clips"
    mode); both are None for most towers.
    """

    context_length: int
    clean: Clean
    pad_id: int
    dynamic_length: bool
    drop_id: int | None = None
    last_id: int | None = None

    def __post_init__(self) -> None:
        if not 3 <= self.context_length <= MAX_CONTEXT:
            raise ValueError(f"context_length must be 3..{MAX_CONTEXT}, not {self.context_length}")
        if self.clean not in get_args(Clean):
            raise ValueError(f"unknown clean {self.clean!r}")
        if self.dynamic_length and self.last_id is not None:
            raise ValueError("last_id needs a fixed length")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TextPreprocess:
        """Read the ``text`` object of ``preprocess.json``; ``ValueError`` or ``TypeError`` if it does not fit."""
        return cls(**data)

    def to_json(self) -> dict[str, Any]:
        """The ``text`` object of ``preprocess.json``."""
        return asdict(self)


def clean_text(text: str, how: Clean) -> str:
    """Repair mojibake and HTML entities, then tidy as ``how`` says (open_clip's ``get_clean_fn``)."""
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    if how == "canonicalize":
        text = text.replace("_", " ").translate(_NO_PUNCTUATION).lower()
    text = " ".join(text.split())
    return text.lower() if how == "lower" else text


class TextTokenizer:
    """Thread-safe: holds no state but the loaded ``tokenizer.json``."""

    def __init__(self, file: str, spec: TextPreprocess) -> None:
        """``file`` is the text of a ``tokenizer.json``; ``ValueError`` if it cannot be read."""
        try:
            tokenizer = Tokenizer.from_str(file)
        except Exception as error:  # the Rust library raises bare Exception
            raise ValueError(f"tokenizer.json cannot be read: {error}") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(spec.context_length - (spec.last_id is not None))
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._spec = spec

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids per text, not padded; at most ``context_length`` long."""
        spec = self._spec
        limit = spec.context_length * _CHARACTERS_PER_TOKEN
        # One by one: the library's batch call would start a thread per core for a handful of texts.
        rows = [self._tokenizer.encode(clean_text(text[:limit], spec.clean)).ids for text in texts]
        if spec.drop_id is not None:
            rows = [[0 if token == spec.drop_id else token for token in row] for row in rows]
        return rows

    def pad(self, rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """Rows of tokens to one (n, L) array; L as ``TextPreprocess`` says."""
        spec = self._spec
        length = max(map(len, rows), default=1) if spec.dynamic_length else spec.context_length
        tokens = np.full((len(rows), max(length, 1)), spec.pad_id, np.int64)
        for target, row in zip(tokens, rows, strict=True):
            target[: len(row)] = row
        if spec.last_id is not None:
            tokens[:, -1] = spec.last_id
        return tokens

    def __call__(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Texts to padded tokens (n, L)."""
        return self.pad(self.rows(texts))
