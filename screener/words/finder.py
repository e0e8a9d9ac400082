"""Finds registered names in a listing's words, however they are written, and tells claim from mention."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from screener.words.context import context_of, is_everyday
from screener.words.edges import is_inflected, left_edge, right_edge
from screener.words.found import How, Name
from screener.words.heard import Listener
from screener.words.misread import misread, word_windows
from screener.words.registered import Entry, Registered, shortened, spelled
from screener.words.spelling import Spelling, spell, weight
from screener.words.tricks import Masked, joined, masked_words, rewritings
from screener.words.verify import reading

_BEST: Final = {"claim": 0, "mention": 1, "common": 2}
_OPENLY: Final = {"plain": 0, "transliterated": 1, "disguised": 2}
_MOST: Final = 200
"""Occurrences of names in a text that are told apart; the rest of a text that only lists names says nothing more."""
_LEFT_OUT: Final = 8
"""Fewest letters of a name that is found with one of them left out."""
_WEAK_REWRITING: Final = 5
"""Fewest letters of a name read out of "rn", "vv" or "cl"."""


@dataclass(frozen=True, slots=True)
class _Hit:
    entry: int
    start: int
    stop: int
    how: How
    mention: bool = False


class NameFinder:
    """The registered names, ready to be looked for.

    Immutable once built, so safe to share between threads. 100,000 names build in seconds (`listing-screener-train
    evaluate words` measures time, memory and milliseconds per listing).
    """

    def __init__(self, names: Iterable[tuple[str, str]], categories: Mapping[str, frozenset[str]] | None = None):
        """`names` gives brand id and name, alias or wordmark; `categories` what each brand sells, which helps to tell
        an everyday word from the name. Names without any letter or digit cannot be looked for."""
        self._registered = Registered(names)
        self._listener = Listener(self._registered)
        self._categories = dict(categories or {})

    def find(self, text: str, *, category: str | None = None) -> tuple[Name, ...]:
        """Every registered name in a text: first the best occurrence of each brand (claims before mentions before
        everyday words, then in the order of the text), then the other ones."""
        hits = _outermost(self._hits(text))
        return self._told(text, hits, category)

    def read(self, lines: Sequence[str]) -> tuple[Name, ...]:
        """Names in lines that OCR read, as `find` orders them; offsets refer to the lines joined by newlines.

        A name of six or more letters is also found with one letter misread, lost or added, and a name of several words
        across lines. Nothing counts as disguised: a wrong letter here is the reader's.
        """
        text = "\n".join(lines)
        flat = " ".join(line.replace("\n", " ") for line in lines)
        spelling = spell(flat)
        hits = [
            _Hit(hit.entry, hit.start, hit.stop, "plain")
            for hit in self._spelled(flat, spelling)
            if hit.how == "plain" or sum(spelled(self._entry(hit).spelling).runs) >= 4
        ]
        hits += [_Hit(m.entry, m.start, m.stop, "plain") for m in misread(spelling, self._registered)]
        hits += [_Hit(h.entry, h.start, h.stop, h.how) for h in self._listener.hear(flat)]
        return self._told(text, _outermost(hits), None)

    def _entry(self, hit: _Hit) -> Entry:
        return self._registered.entries[hit.entry]

    def _hits(self, text: str) -> Iterator[_Hit]:
        spelling = spell(text)
        yield from self._spelled(text, spelling)
        yield from self._rewritten(text)
        for mask in masked_words(text):
            yield from self._masked(mask)
        yield from self._shortened(spelling)
        for found in self._listener.hear(text):
            two_signs = found.how == "disguised" and len(self._registered.entries[found.entry].spelling) <= 2
            if not (two_signs and is_everyday(self._registered.entries[found.entry].name)):
                yield _Hit(found.entry, found.start, found.stop, found.how, found.mention)

    def _spelled(self, text: str, spelling: Spelling) -> Iterator[_Hit]:
        """Names whose letters stand in the text in order, plain or with stand-ins."""
        entries, gaps, scripts = self._registered.entries, spelling.gaps, spelling.scripts
        for start, last, value in self._registered.by_key.iter(spelling.key):
            if gaps[start] == 0 and last - start < 2 and scripts[start] == "l":
                continue
            for number in self._registered.by_key.numbers(value):
                entry = entries[number]
                name = spelled(entry.spelling)
                letters = weight(name)
                left = left_edge(spelling, start, letters, text)
                if left is None:
                    break
                extra = spelling.runs[last] == name.runs[-1] + 1
                right = right_edge(spelling, last + 1, letters, extra, text)
                if right is None or (entry.stem and not is_inflected(spelling, last + 1, right)):
                    continue
                how: How | None = reading(spelling, start, last + 1, name, spare=right.took_last)
                if how is None:
                    continue
                if entry.roman and how == "plain":
                    how = "transliterated"
                yield _Hit(number, spelling.starts[start], spelling.stops[last], how, left.mention or right.mention)

    def _rewritten(self, text: str) -> Iterator[_Hit]:
        """Names in the second readings of odd words."""
        other = joined(rewritings(text, self._registered.by_key.automaton.exists))
        if other is None:
            return
        for hit in self._spelled(other.text, spell(other.text)):
            letters = weight(spelled(self._entry(hit).spelling))
            touched = [at for at in range(hit.start, hit.stop) if at in other.changed]
            strong = any(at in other.strong for at in touched)
            if touched and letters >= (3 if strong else _WEAK_REWRITING):
                yield _Hit(hit.entry, other.source[hit.start], other.source[hit.stop - 1] + 1, "disguised", hit.mention)

    def _masked(self, mask: Masked) -> Iterator[_Hit]:
        """Names of four or more letters of which one is masked."""
        before, after = spell(mask.before).key, spell(mask.after).key
        at = len(before)
        for _, number in self._registered.left_out.lookup([before + after]):
            key = spelled(self._registered.entries[number].spelling).key
            if key[:at] + key[at + 1 :] == before + after:
                yield _Hit(number, mask.start, mask.stop, "disguised")
        doubled = spell(mask.before + mask.after)
        for _, number in self._registered.left_out.lookup([doubled.key[1:]]):
            name = spelled(self._registered.entries[number].spelling)
            if name.key == doubled.key and sum(name.runs) == sum(doubled.runs) + 1:
                yield _Hit(number, mask.start, mask.stop, "disguised")

    def _shortened(self, text: Spelling) -> Iterator[_Hit]:
        """Long names of which one letter is left out."""
        windows = [(start, stop) for start, stop in word_windows(text, 2) if stop - start >= _LEFT_OUT - 1]
        for index, number in self._registered.left_out.lookup([text.key[start:stop] for start, stop in windows]):
            start, stop = windows[index]
            name = spelled(self._registered.entries[number].spelling)
            short = text.key[start:stop]
            if weight(name) >= _LEFT_OUT and short[0] == name.key[0] and short in shortened(name.key):
                yield _Hit(number, text.starts[start], text.stops[stop - 1], "disguised")

    def _told(self, text: str, hits: Sequence[_Hit], category: str | None) -> tuple[Name, ...]:
        names: list[Name] = []
        spans = [(hit.start, hit.stop) for hit in hits[:_MOST]]
        for hit in hits[:_MOST]:
            entry = self._entry(hit)
            sold = self._categories.get(entry.brand_id, frozenset())
            context = (
                "mention"
                if hit.mention
                else context_of(text, hit.start, hit.stop, entry.name, hit.how, sold, category, spans)
            )
            names.append(Name(entry.brand_id, entry.name, hit.start, hit.stop, hit.how, context))
        names.sort(key=lambda name: (_BEST[name.context], _OPENLY[name.how], name.start, name.brand_id))
        best: dict[str, Name] = {}
        for name in names:
            best.setdefault(name.brand_id, name)
        chosen = set(best.values())
        rest = sorted((name for name in names if name not in chosen), key=lambda name: (name.start, name.brand_id))
        return (*best.values(), *rest)


def _outermost(hits: Iterable[_Hit]) -> list[_Hit]:
    """Hits in the order of the text, without those inside a longer one, one per place and brand name."""
    ordered = sorted(set(hits), key=lambda hit: (hit.start, -hit.stop, _OPENLY[hit.how], hit.mention, hit.entry))
    kept: list[_Hit] = []
    reach = -1
    for hit in ordered:
        if kept and hit.stop <= reach:
            outer = next(k for k in reversed(kept) if k.stop >= hit.stop and k.start <= hit.start)
            same_place = (outer.start, outer.stop) == (hit.start, hit.stop)
            if not same_place or outer.entry == hit.entry or (outer.how != hit.how):
                continue
        kept.append(hit)
        reach = max(reach, hit.stop)
    return kept
