"""What a buyer's text says, told from what it only mentions: denied, feared, asked, said by others or by the seller.

Cue words with scopes, in the manner of NegEx (Chapman et al. 2001, "A simple algorithm for identifying negated findings
and diseases in discharge summaries") and ConText (Harkema et al. 2009): a word that turns another round reaches so far
and no further than its clause.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from screener.signals.lexicon import Hit, find
from screener.words import replica_words

NAMES: Final = (
    "fake_said", "fake_said_again", "fake_denied", "fake_feared", "fake_reported", "fake_asked", "fake_aside",
    "genuine_said", "genuine_said_again", "genuine_denied", "genuine_doubted", "genuine_alleged", "genuine_asked",
    "last_fake", "last_genuine", "turned_fake", "turned_genuine", "only_feared", "both_said",
    "mark_fails", "mark_fails_again", "trait_fails", "fits", "disowned", "innocent", "innocent_only",
    "service", "service_only", "contrast", "question", "exclaimed", "replica_outright", "replica_weak", "nothing",
)  # fmt: skip
"""The features, in their order; each is 0 or 1."""

_STRONG: Final = re.compile(r"[!?;\n。！？؟；…]+|\.(?=\s|$|[\u3040-\u9fff])")
_WEAK: Final = re.compile(r"[,:،、，()\"“”«»「」–—]+")
_ASKS: Final = re.compile(r"[?？؟]|吗|ですか|ますか|でしょうか|나요|까요|습니까")
_WORDS: Final = 4
"""Words that may stand between a denial and what it denies."""
_LETTERS: Final = 8
"""The same in scripts without spaces, in letters."""
_MOST: Final = 150
"""Phrases of a text that are looked at; a text that repeats itself says nothing more, and must not cost more."""
_MOST_MARKS: Final = 20
_FAR_WORDS: Final = 7
_FAR_LETTERS: Final = 20
"""The same between a mark and what is wrong with it, and between the seller's word and what was promised."""
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Read(NamedTuple):
    """A text as it was read: `features` (len(NAMES),), and the words around whatever may be a claim."""

    features: NDArray[np.float32]
    around: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features that the text has."""
        return tuple(name for name, value in zip(NAMES, self.features, strict=True) if value)


def read(text: str) -> Read:
    """Reads a text that `screener.signals.wording.reading_of` has folded."""
    hits = find(text)[:_MOST]
    by_kind: dict[str, list[Hit]] = {}
    for hit in hits:
        by_kind.setdefault(hit.kind, []).append(hit)
    turns = by_kind.get("but", [])
    strong = _Breaks([found.end() for found in _STRONG.finditer(text)] + [hit.start for hit in turns])
    weak = _Breaks([*strong.at, *(found.end() for found in _WEAK.finditer(text))])
    claims = [_claim(text, hit, by_kind, strong, weak) for hit in hits if hit.kind in ("fake", "genuine")]
    names = [name for _, name in claims]
    found = {name for name in names if name in NAMES}
    found |= {f"{name}_again" for name in ("fake_said", "genuine_said") if names.count(name) > 1}
    settled = [(hit, _SAYS[name]) for hit, name in claims if name in _SAYS]
    if settled:
        last, says = settled[-1]
        turned = any(turn.start < last.start for turn in turns)
        if says == "genuine" and "fake_said" in found and not turned:
            found.add("both_said")  # "fake, the original looks different"
        else:
            found.add(f"last_{says}")
        if turned:
            found.add(f"turned_{says}")
    elif found & {"fake_feared", "fake_reported"}:
        found.add("only_feared")
    found |= _marks(text, by_kind)
    found |= {kind for kind in ("fits", "disowned", "innocent", "service") if by_kind.get(kind)}
    if not claims and not found & {"mark_fails", "disowned"}:
        found |= {f"{kind}_only" for kind in ("innocent", "service") if by_kind.get(kind)}
    if turns:
        found.add("contrast")
    if _ASKS.search(text):
        found.add("question")
    if "!" in text or "！" in text:
        found.add("exclaimed")
    innocent = by_kind.get("innocent", [])
    phrases = [phrase for phrase in replica_words(text) if not _inside(phrase.start, phrase.stop, innocent)]
    found |= {("replica_weak", "replica_outright")[phrase.strength - 1] for phrase in phrases}
    if not found - {"question", "exclaimed", "contrast"}:
        found.add("nothing")
    spans = [(hit.start, hit.stop) for hit in hits if hit.kind in _TELLING]
    spans += [(phrase.start, phrase.stop) for phrase in phrases]
    return Read(np.array([name in found for name in NAMES], np.float32), _around(text, spans))


def _around(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text near these places: what is far from every claim says nothing of it."""
    near = np.zeros(len(text), np.bool_)
    for start, stop in spans:
        near[max(0, start - _NEAR) : stop + _NEAR] = True
    return "".join(letter if kept else " " for letter, kept in zip(text, near.tolist(), strict=True))


_NEAR: Final = 20
_TELLING: Final = frozenset({"fake", "genuine", "disowned", "innocent"})


_SAYS: Final = {
    "fake_said": "fake",
    "genuine_denied": "fake",
    "genuine_doubted": "fake",
    "fake_denied": "genuine",
    "genuine_said": "genuine",
}


class _Breaks:
    """Where a text is cut; the parts are numbered."""

    def __init__(self, at: Sequence[int]) -> None:
        self.at = sorted(set(at))

    def part(self, place: int) -> int:
        return bisect_right(self.at, place)


def _claim(text: str, hit: Hit, by_kind: dict[str, list[Hit]], strong: _Breaks, weak: _Breaks) -> tuple[Hit, str]:
    """What becomes of one word: "fake_said", "genuine_denied", ..."""
    near = {
        kind: [other for other in by_kind.get(kind, ()) if strong.part(other.start) == strong.part(hit.start)]
        for kind in ("not_before", "not_after", "doubt", "feared", "others", "alleged", "aside")
    }
    denied = any(
        other.stop <= hit.start
        and weak.part(other.start) == weak.part(hit.start)
        and _is_near(text[other.stop : hit.start])
        for other in near["not_before"]
    ) or any(
        other.start >= hit.stop
        and weak.part(other.start) == weak.part(hit.start)
        and _is_near(text[hit.stop : other.start])
        for other in near["not_after"]
    )
    end = next((at for at in strong.at if at >= hit.stop), len(text))
    asked = bool(_ASKS.search(text[hit.stop : end]))
    if hit.kind == "fake":
        if denied:
            return hit, "fake_denied"
        if any(
            weak.part(other.start) == weak.part(hit.start) and _is_near(_between(text, hit, other))
            for other in near["aside"]
        ):
            return hit, "fake_aside"
        if near["others"]:
            return hit, "fake_reported"
        if near["feared"]:
            return hit, "fake_feared"
        return hit, "fake_asked" if asked else "fake_said"
    if denied:
        # "I did not think it would be genuine" is feared, not said.
        return hit, "fake_feared" if near["feared"] and not near["doubt"] else "genuine_denied"
    if near["doubt"]:
        return hit, "genuine_doubted"
    if asked:
        return hit, "genuine_asked"
    if any(other.start < hit.start and _are_near(text, other, hit) for other in near["alleged"]):
        return hit, "genuine_alleged"
    return hit, "genuine_said"


def _is_near(between: str) -> bool:
    return len(between) <= _LETTERS if _UNSPACED.search(between) else len(between.split()) <= _WORDS


def _marks(text: str, by_kind: dict[str, list[Hit]]) -> set[str]:
    """Whether something that the genuine one is known by is wrong, whether more than one thing is, or a mere trait."""
    wrong = by_kind.get("fails", [])[:_MOST_MARKS]

    def fails(hit: Hit) -> bool:
        return any(_are_near(text, hit, other) for other in wrong)

    marks = sum(map(fails, by_kind.get("mark", [])[:_MOST_MARKS]))
    found = {name for name, least in (("mark_fails", 1), ("mark_fails_again", 2)) if marks >= least}
    return found | ({"trait_fails"} if any(map(fails, by_kind.get("trait", [])[:_MOST_MARKS])) else set())


def _are_near(text: str, one: Hit, other: Hit) -> bool:
    """Whether two phrases stand in one sentence with a few words between them."""
    between = _between(text, one, other)
    if _STRONG.search(between):
        return False
    return len(between) <= _FAR_LETTERS if _UNSPACED.search(between) else len(between.split()) <= _FAR_WORDS


def _between(text: str, one: Hit, other: Hit) -> str:
    return text[min(one.stop, other.stop) : max(one.start, other.start)]


def _inside(start: int, stop: int, hits: Sequence[Hit]) -> bool:
    return any(hit.start < stop and start < hit.stop for hit in hits)
