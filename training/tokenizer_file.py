"""Turns open_clip's tokenizers into the ``tokenizer.json`` and the text settings of a bundle."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import regex  # type: ignore[import-untyped]
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from screener.tokenizer import Clean, TextPreprocess

from .errors import ExportRefused
from .torch_setup import open_clip

oc = open_clip.tokenizer
OpenClipTokenizer: TypeAlias = Any
"""open_clip's SimpleTokenizer, HFTokenizer or SigLipTokenizer (untyped there)."""

_CLEANS: dict[object, Clean] = {
    oc.get_clean_fn("lower"): "lower",
    oc.get_clean_fn("whitespace"): "whitespace",
    oc.get_clean_fn("canonicalize"): "canonicalize",
}


def tokenizer_file(tokenizer: OpenClipTokenizer, context_length: int, dynamic: bool) -> tuple[str, TextPreprocess]:
    """The text of ``tokenizer.json`` and the settings that go with it.

    ``dynamic``: the tower ignores what follows the end token. ``ExportRefused`` where the tokenizer cannot be served.
    """
    if isinstance(tokenizer, oc.SimpleTokenizer):
        if tokenizer.reduction_fn is not None:
            raise ExportRefused("a tokenizer that drops words at random (reduction_mask) is for training only")
        clean = _CLEANS[tokenizer.clean_fn]
        return _simple(tokenizer).to_str(), TextPreprocess(context_length, clean, 0, dynamic)
    inner = tokenizer.tokenizer
    if not getattr(inner, "is_fast", False):
        raise ExportRefused("this tokenizer has no tokenizer.json (a slow tokenizer); convert it to a fast one first")
    if inner.padding_side != "right" or inner.truncation_side != "right":
        raise ExportRefused("a tokenizer that pads or truncates on the left cannot be served")
    file = Tokenizer.from_str(inner.backend_tokenizer.to_str())
    file.no_padding()
    file.no_truncation()
    pad = int(inner.pad_token_id)
    if isinstance(tokenizer, oc.SigLipTokenizer):
        return file.to_str(), TextPreprocess(context_length, "canonicalize", pad, dynamic)
    clean = _CLEANS[tokenizer.clean_fn]
    if tokenizer.tokenizer_mode == "clips":
        _frame(file, inner.bos_token_id, inner.eos_token_id)
        return file.to_str(), TextPreprocess(context_length, clean, pad, False, last_id=int(inner.cls_token_id))
    drop = int(inner.sep_token_id) if tokenizer.strip_sep_token else None
    return file.to_str(), TextPreprocess(context_length, clean, pad, dynamic, drop_id=drop)


def _simple(source: OpenClipTokenizer) -> Tokenizer:
    """CLIP's byte-level BPE with "</w>" at the end of words."""
    ranked = sorted((pair for pair in source.bpe_ranks if len(pair) == 2), key=source.bpe_ranks.__getitem__)
    file = Tokenizer(models.BPE(vocab=source.encoder, merges=ranked, end_of_word_suffix="</w>"))
    file.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_words()), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    _frame(file, source.sot_token_id, source.eot_token_id)
    return file


def _frame(file: Tokenizer, start: int, end: int) -> None:
    """Put the start and end tokens around every row."""
    names = {file.id_to_token(start): start, file.id_to_token(end): end}
    first, last = file.id_to_token(start), file.id_to_token(end)
    file.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=[*names.items()])


@cache
def _words() -> str:
    """open_clip's pattern of words, its character classes written out.

    The classes come from the `regex` package as it is here, case folding included: the Rust library has Unicode tables
    of another version, so that ``\\p{L}`` there would split newer letters differently.
    """
    contractions = "|".join("'" + "".join(map(_class, ending)) for ending in ("s", "t", "re", "ve", "m", "ll", "d"))
    letters, digits, others = map(_class, (r"[\p{L}]", r"[\p{N}]", r"[^\s\p{L}\p{N}]"))
    return f"{contractions}|{letters}+|{digits}|{others}+"


def _class(pattern: str) -> str:
    """A character class of all code points that ``pattern`` (one character) matches without regard to case."""
    matcher = regex.compile(pattern, regex.IGNORECASE)
    ranges: list[list[int]] = []
    for match in matcher.finditer(_every_character()):
        point = ord(match[0])
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "[" + "".join(rf"\x{{{a:x}}}" if a == b else rf"\x{{{a:x}}}-\x{{{b:x}}}" for a, b in ranges) + "]"


@cache
def _every_character() -> str:
    return "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
