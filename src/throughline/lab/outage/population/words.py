"""How observations read: the vocabulary of docs/batch-commands.md, numbered."""

from __future__ import annotations

from dataclasses import dataclass, field

from throughline.lab.outage.population.lines import ACTIVE, ONE_WAY, REASSIGNED

# (source, provider, code, attributes): how one observation reads.
Said = tuple[str, str | None, str | None, tuple[tuple[str, str | bool], ...]]
_UP, _DOWN = "active", "suspended"


@dataclass(slots=True)
class Words:
    """Distinct ways to say something, numbered."""

    all: list[Said] = field(default_factory=list)
    _number: dict[Said, int] = field(default_factory=dict)

    def number(self, source: str, provider: str | None, code: str | None = None, **said: str | bool) -> int:
        """The number of a way to say something."""
        key = (source, provider, code, tuple(sorted(said.items())))
        if key not in self._number:
            self._number[key] = len(self.all)
            self.all.append(key)
        return self._number[key]


def flags(state: int) -> dict[str, str]:
    inwards = _UP if state in {ACTIVE, ONE_WAY, REASSIGNED} else _DOWN
    outwards = _UP if state in {ACTIVE, REASSIGNED} else _DOWN
    return {"voiceSmsIn": inwards, "voiceSmsOut": outwards, "dataService": outwards}
