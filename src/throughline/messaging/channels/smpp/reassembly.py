"""Parts of incoming texts put together again: out of order, doubled, missing, within a time and a number.

Nothing is lost here, because every part is handed on by itself as well; this only tells when a text is whole. Bytes
are joined and not characters: phones cut between the halves of one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from throughline.messaging.channels.smpp.udh import PartOf

MAX_TEXT_PARTS = 32
"""The longest text that is put together."""
MAX_PART_BYTES = 1000


@dataclass(frozen=True, slots=True)
class TextKey:
    """What the parts of one text have in common. Addresses are never printed."""

    source: str = field(repr=False)
    destination: str = field(repr=False)
    data_coding: int
    reference: int
    total: int


@dataclass(slots=True)
class _Text:
    began_s: float
    parts: dict[int, bytes] = field(default_factory=dict, repr=False)
    taken: bool = False


class Reassembly:
    """Unfinished texts, the oldest first. `time_limit_s` begins with the first part of a text."""

    def __init__(self, *, time_limit_s: float = 600, max_texts: int = 1000) -> None:
        self._time_limit_s, self._max_texts = time_limit_s, max_texts
        self._texts: OrderedDict[TextKey, _Text] = OrderedDict()

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, key: TextKey, number: int, raw: bytes, *, now_s: float) -> bytes | None:
        """The whole text, when this part makes it whole or repeats a part of a whole one that nobody has yet
        confirmed; else None. `now_s` is of a monotone clock."""
        self._forget(now_s)
        sound = PartOf(key.reference, key.total, number).sound
        if not sound or key.total > MAX_TEXT_PARTS or len(raw) > MAX_PART_BYTES:
            return None
        known = self._texts.get(key)
        if known is None or known.parts.get(number, raw) != raw:
            # Another text under a number that is in use: references are few, and phones count on.
            self._texts.pop(key, None)
            if len(self._texts) >= self._max_texts:
                self._texts.popitem(last=False)
            known = self._texts[key] = _Text(now_s)
        known.parts[number] = raw
        if known.taken or len(known.parts) < key.total:
            return None
        return b"".join(known.parts[each] for each in range(1, key.total + 1))

    def confirm(self, key: TextKey) -> None:
        """The whole text was taken. What repeats its parts from now on is no text of its own."""
        known = self._texts.get(key)
        if known is not None:
            known.taken = True

    def _forget(self, now_s: float) -> None:
        while self._texts:
            oldest = next(iter(self._texts.values()))
            if now_s - oldest.began_s < self._time_limit_s:
                return
            self._texts.popitem(last=False)
