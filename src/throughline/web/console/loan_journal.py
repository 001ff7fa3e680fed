"""The entries of one loan, sorted by what made them: an event, or the close of a day."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from throughline.ledger import service as ledger

PAGE = 500
PAGES = 10  # some 13 years of days; the ledger's own page reads on from there


@dataclass
class LoanJournal:
    """Entries in the order of posting. `by_event` has those of each event, by its id."""

    events: list[ledger.PostedEntry] = field(default_factory=list)
    days: list[ledger.PostedEntry] = field(default_factory=list)
    by_event: dict[str, list[ledger.PostedEntry]] = field(default_factory=dict)


def read(session: Session, source: str) -> LoanJournal:
    """The journal of a source such as "loan:<id>"."""
    journal, after = LoanJournal(), None
    for _ in range(PAGES):
        found = ledger.entries(session, source=source, after=after, limit=PAGE)
        for entry in found:
            kind, _, rest = entry.key.partition(":")
            if kind == "loan-event":
                journal.events.append(entry)
                journal.by_event.setdefault(rest.partition(":")[0], []).append(entry)
            else:
                journal.days.append(entry)
        if len(found) < PAGE:
            break
        after = found[-1].id
    return journal
