"""One carrier: its books, tokens, callbacks, and what happens when a line changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from throughline.kernel.clock import now
from throughline.lab.carrier.books import Books, Contract, Wrong, wished, wished_contracts
from throughline.lab.carrier.market import Carrier, Market
from throughline.lab.carrier.outbox import Outbox
from throughline.lab.carrier.sponsors import Sponsors
from throughline.lab.carrier.subscriptions import Subscriptions
from throughline.lab.carrier.times import text
from throughline.lab.carrier.tokens import Tokens

_FILES = {"simulator": "carrier"}
_MEMBERS = frozenset(
    {
        "state",
        "reason",
        "data",
        "connectivity",
        "forwardings",
        "used_mib",
        "plan_mib",
        "status_at",
        "sim_changed_at",
        "device_changed_at",
        "contracts",
        "carrier",
    }
)


class Company:
    """A carrier at work. `push_url` is where our own push goes when a subscription names no sink."""

    def __init__(self, home: Path, carrier: Carrier, market: Market, push_url: str) -> None:
        self.carrier, self.market = carrier, market
        self.books = Books(home, f"{_FILES.get(carrier.name, f'carrier-{carrier.name}')}-2")
        self.ledger = self.books.ledger
        self.outbox = Outbox(self.books, carrier.name)
        self.subscriptions = Subscriptions(self.books, self.outbox)
        self.sponsors = Sponsors(self.books, self.outbox)
        self.tokens = Tokens()
        self.rate = Rate()
        self._push_url = push_url

    @property
    def name(self) -> str:
        """The carrier's name."""
        return self.carrier.name

    def change(self, phone: str, wish: Mapping[str, Any]) -> None:
        """Do to a line what the control desk says, with the events that follow, in one transaction. Raises Wrong.

        `"carrier"` ports the number away: its contract and subscriptions end here.
        """
        strange = set(wish) - _MEMBERS
        if strange:
            raise Wrong(sorted(strange)[0])
        before = self.subscriptions.seen(phone)
        facts = wished(before.facts, wish)
        moved = wish.get("carrier")
        if moved is not None and moved == self.name:
            moved = None
        contracts = wished_contracts(wish["contracts"]) if "contracts" in wish else None
        if contracts is None:
            contracts = self.books.next_contracts(phone, before.facts.state, facts.state)
        if facts.state == "reassigned":
            # A new owner with a new SIM in another phone.
            at = text(now())
            facts = replace(facts, sim_changed_at=at, device_changed_at=at, forwardings=(), used_mib=0)
        with self.ledger.transaction() as db:
            self.books.write(db, phone, facts)
            if contracts is not None:
                self.books.write_contracts(db, phone, contracts)
            after = self.subscriptions.seen(phone)
            self.subscriptions.tell(db, phone, before, after)
            if self.ledger.setting("push", True) and facts.flags != before.facts.flags:
                self.subscriptions.push(db, phone, facts.flags, self._push_url)
            if moved is not None:
                self.subscriptions.end_all(db, phone, "NETWORK_TERMINATED")
            if moved is not None or facts.state in {"cancelled", "reassigned"}:
                self.sponsors.end_all(db, phone, "not_available")

    def take_over(self, phone: str, *, keep_since: bool) -> None:
        """Serve a number that was ported here: the same person, a new contract, a new SIM."""
        today = now().astimezone(UTC).date()
        known = self.books.contracts(phone)[-1]
        starts = known.starts if keep_since else today
        with self.ledger.transaction() as db:
            facts = replace(self.books.facts(phone), state="active", reason=None, sim_changed_at=text(now()))
            self.books.write(db, phone, facts)
            self.books.write_contracts(db, phone, [Contract(known.type, starts, None)])

    def outage(self, prefix: str, *, begins: bool) -> int:
        """Put the cells of a region out of service, or back; the number of lines that were told of."""
        phones = self.books.known(prefix)
        before = {phone: self.subscriptions.seen(phone) for phone in phones}
        with self.ledger.transaction() as db:
            if begins:
                db.execute("INSERT OR REPLACE INTO outage VALUES (?, ?)", (prefix, text(now())))
            else:
                db.execute("DELETE FROM outage WHERE prefix = ?", (prefix,))
            for phone in phones:
                self.subscriptions.tell(db, phone, before[phone], self.subscriptions.seen(phone))
        return len(phones)

    def tick(self) -> None:
        """What time brings: subscriptions and sponsorships run out, callbacks are posted."""
        self.subscriptions.tick()
        self.sponsors.tick()
        self.outbox.post_due()


class Rate:
    """A token bucket of one second."""

    def __init__(self) -> None:
        self._left, self._at_s = 0.0, 0.0

    def allows(self, per_s: float, at_s: float) -> bool:
        """Whether one more call fits; `per_s` 0 or less has no limit."""
        if per_s <= 0:
            return True
        self._left = min(per_s, self._left + (at_s - self._at_s) * per_s) if self._at_s else per_s
        self._at_s = at_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
