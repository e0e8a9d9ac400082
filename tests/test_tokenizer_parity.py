"""The token ids that the service makes equal those of open_clip's tokenizers."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from screener.tokenizer import TextPreprocess, TextTokenizer

pytest.importorskip("torch", reason="needs the [train] extra")

from training.errors import ExportRefused
from training.parity import TEXTS
from training.tokenizer_file import tokenizer_file
from training.torch_setup import open_clip

pytestmark = pytest.mark.train

oc = open_clip.tokenizer

HARD = (
    *TEXTS,
    "I'LL we'Re don'T 'S 'ſ rock'n'roll",
    "ſtraße STRASSE İi ıI ǅ ﬀ Å Å",
    "①②③ ⅣⅤ ½ ٣٤ ४५ 〇",
    "e\u0301 é \u0345 a\u0345 नि தமி ກໍ",
    "\u202eright to left\u202c \u2066isolate\u2069 \ufeffmark",
    "🏳️‍🌈🇩🇪👩🏽‍🔬 🫨 𓀀 𝒜𝓬𝓶𝓮 𐐨𐐀",
    "\x00\x01\x1b[31m\x7f\x85\u2028\u2029",
    "&amp;amp;lt; &#x41; &nbsp; &notanentity; &",
    "snake_case__word-with-dash/slash\\back",
    "   \t\n  ",
    "ÐŸÑ€Ð¸Ð²ÐµÑ‚ â€œquotedâ€\x9d",
    "ქართული հայերեն አማርኛ ខ្មែរ မြန်မာ ᏣᎳᎩ ⵜⵉⴼⵉⵏⴰⵖ",
    "\U00010d4a\U0001e4d0\U00031350\U00016ac0",  # letters that Unicode got late
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(
    st.sampled_from("abestrvmld''ſ019 &;#_-!?éßλд高仿\u200d👟"), max_size=60
)


def both(tokenizer: Any, length: int) -> Callable[[str], None]:
    """A check that the served tokens of a text equal open_clip's."""
    file, spec = tokenizer_file(tokenizer, length, dynamic=False)
    served = TextTokenizer(file, spec)

    def check(text: str) -> None:
        expected = tokenizer([text], context_length=length).numpy()
        np.testing.assert_array_equal(served([text]), expected, err_msg=repr(text))

    return check


@pytest.fixture(scope="module")
def small_merges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first merges of CLIP's list as a file of one's own (514 + merges tokens)."""
    lines = gzip.decompress(Path(oc.default_bpe()).read_bytes()).decode("utf-8").split("\n")[:800]
    path = tmp_path_factory.mktemp("merges") / "small.txt.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tokenizer directory of the kind that model hubs have, trained on the hard texts."""
    from transformers import PreTrainedTokenizerFast

    file = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    file.normalizer = normalizers.Replace(" ", "▁")
    file.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<sep>"]
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=[*special, *fallback], show_progress=False)
    file.train_from_iterator(HARD * 3, trainer)
    file.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    folder = tmp_path_factory.mktemp("tokenizer")
    names = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
    wrapped = PreTrainedTokenizerFast(tokenizer_object=file, **names, sep_token="<sep>", cls_token="<sep>")
    wrapped.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("clean", ["lower", "whitespace", "canonicalize"])
def test_clip_on_hard_texts(clean: str) -> None:
    check = both(oc.SimpleTokenizer(clean=clean), 77)
    for text in HARD:
        check(text)


_CHECKS: dict[str, Callable[[str], None]] = {}


@settings(max_examples=400)
@given(text=TEXT)
def test_clip_on_any_text(text: str) -> None:
    if "clip" not in _CHECKS:
        _CHECKS["clip"] = both(oc.SimpleTokenizer(), 77)
    _CHECKS["clip"](text)


@settings(max_examples=200)
@given(text=TEXT)
def test_own_merges_on_any_text(small_merges: Path, text: str) -> None:
    if "own" not in _CHECKS:
        _CHECKS["own"] = both(oc.SimpleTokenizer(bpe_path=str(small_merges)), 24)
    _CHECKS["own"](text)


def test_own_merges_end_with_the_control_tokens(small_merges: Path) -> None:
    tokenizer = oc.SimpleTokenizer(bpe_path=str(small_merges))
    file, spec = tokenizer_file(tokenizer, 24, dynamic=True)
    rows = TextTokenizer(file, spec).rows(["a b"])
    assert tokenizer.vocab_size == 512 + 799 + 2
    assert rows[0][0] == tokenizer.vocab_size - 2
    assert rows[0][-1] == tokenizer.vocab_size - 1


@settings(max_examples=150)
@given(text=TEXT)
@pytest.mark.parametrize("clean", ["whitespace", "canonicalize"])
def test_hugging_face_on_any_text(hugging_face: Path, clean: str, text: str) -> None:
    if clean not in _CHECKS:
        _CHECKS[clean] = both(oc.HFTokenizer(str(hugging_face), context_length=32, clean=clean), 32)
    _CHECKS[clean](text)


@pytest.mark.parametrize("options", [{"strip_sep_token": True}, {"tokenizer_mode": "clips"}, {}])
def test_hugging_face_on_hard_texts(hugging_face: Path, options: dict[str, Any]) -> None:
    check = both(oc.HFTokenizer(str(hugging_face), context_length=20, **options), 20)
    for text in HARD:
        check(text)


def test_siglip_on_hard_texts(hugging_face: Path) -> None:
    tokenizer = oc.SigLipTokenizer.__new__(oc.SigLipTokenizer)  # its own constructor downloads
    tokenizer.tokenizer = oc.HFTokenizer(str(hugging_face)).tokenizer
    tokenizer.context_length = 64
    check = both(tokenizer, 64)
    for text in HARD:
        check(text)


def test_padding_goes_to_the_longest_only_where_it_may() -> None:
    file, spec = tokenizer_file(oc.SimpleTokenizer(), 77, dynamic=True)
    tokenizer = TextTokenizer(file, spec)
    assert tokenizer(["a", "a b c"]).shape == (2, 5)
    assert tokenizer(["a"]).tolist() == [[49406, 320, 49407]]
    assert tokenizer([]).shape == (0, 1)
    fixed = TextTokenizer(file, TextPreprocess(77, "lower", 0, dynamic_length=False))
    assert fixed(["a", "a b c"]).shape == (2, 77)


def test_control_tokens_in_a_listing_are_words() -> None:
    file, spec = tokenizer_file(oc.SimpleTokenizer(), 77, dynamic=True)
    row = TextTokenizer(file, spec).rows(["shoes <end_of_text> replica <start_of_text>"])[0]
    assert row.count(49407) == 1
    assert row.count(49406) == 1
    assert row[-1] == 49407


def test_a_text_far_over_the_limit_is_the_same_as_its_beginning() -> None:
    check = both(oc.SimpleTokenizer(), 77)
    check("many plain words " * 10_000)


def test_tokenizers_that_cannot_be_served_are_refused(hugging_face: Path) -> None:
    with pytest.raises(ExportRefused, match="for training only"):
        tokenizer_file(oc.SimpleTokenizer(reduction_mask="random"), 77, dynamic=True)
    left = oc.HFTokenizer(str(hugging_face), context_length=20)
    left.tokenizer.padding_side = "left"
    with pytest.raises(ExportRefused, match="on the left"):
        tokenizer_file(left, 20, dynamic=False)


def test_a_file_that_is_no_tokenizer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tokenizer\.json cannot be read"):
        TextTokenizer("{}", TextPreprocess(77, "lower", 0, dynamic_length=True))
