"""The control desk: what a person does with a line, and what a demo or a test does with the carrier."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from throughline.lab.carrier import authorize, consents, faults, oauth, outbox
from throughline.lab.carrier.books import Wrong
from throughline.lab.carrier.company import Company
from throughline.lab.carrier.times import instant, text
from throughline.lab.simulator import control_routes

FAULTS = frozenset(
    {*faults.BEFORE, *faults.AFTER, *oauth.FAULTS, *authorize.FAULTS, *authorize.TOKEN_FAULTS, *outbox.FAULTS}
)
SETTINGS = frozenset(
    {
        "push",
        "quiet",
        "callback_delay_s",
        "silent_end",
        "allow_http_sink",
        "sink_hosts",
        "async_subscriptions",
        "template_event_names",
        "rate_per_s",
        "cached_status_s",
        "monitored_days",
        "consent_default",
        "ciba_answer",
        "ciba_answer_after_s",
        "ciba_life_s",
        "passwords_an_hour",
        "password_life_s",
        "device_line",
        "sponsor_suspended",
    }
)
_SHOWN = 500
_REASONS = frozenset(
    {"NETWORK_TERMINATED", "SUBSCRIPTION_EXPIRED", "ACCESS_TOKEN_EXPIRED", "MAX_EVENTS_REACHED"}
)
_CAMPAIGN = frozenset({"status", "type", "contracted_mb", "ends_at"})


class ControlDesk:
    """The control desk of one carrier. It needs no password and listens on loopback only."""

    def __init__(self, company: Company, others: Mapping[str, Company]) -> None:
        self._company = company
        self._others = others

    def routes(self) -> list[Route]:
        """Every route, below the carrier's base."""
        base = self._company.carrier.base
        listed: list[tuple[str, Callable[[Request], Awaitable[Response]], str]] = [
            ("/control/numbers", self.list_numbers, "GET"),
            ("/control/numbers/{phone}", self.show_number, "GET"),
            ("/control/numbers/{phone}", self.set_number, "PUT"),
            ("/control/numbers/{phone}/consents", self.set_consent, "PUT"),
            ("/control/subscriptions/{subscription_id}", self.set_subscription, "PUT"),
            ("/control/outages/{prefix}", self.begin_outage, "PUT"),
            ("/control/outages/{prefix}", self.end_outage, "DELETE"),
            ("/control/events", self.list_events, "GET"),
            ("/control/messages", self.list_messages, "GET"),
            ("/control/sponsorships", self.list_sponsorships, "GET"),
            ("/control/sponsorships/{session_id}", self.set_sponsorship, "PUT"),
            ("/control/campaigns/{sponsor}/{campaign}", self.set_campaign, "PUT"),
            ("/control/tokens", self.forget_tokens, "DELETE"),
        ]
        return [
            *(Route(base + path, handler, methods=[method]) for path, handler, method in listed),
            *(
                Route(base + route.path, route.endpoint, methods=list(route.methods or ()))
                for route in control_routes(self._company.ledger, faults=FAULTS, settings=SETTINGS)
            ),
        ]

    async def set_number(self, request: Request) -> Response:
        """Change a line: state, reason, data, connectivity, forwardings, volumes, changes of SIM and device,
        contracts; `carrier` ports the number (with `keep_since`, tenure is taken along)."""
        phone, wish = request.path_params["phone"], await _object(request)
        keep_since = bool(wish.pop("keep_since", False))
        target = wish.get("carrier")
        if target is not None and target not in self._others:
            return _refused("carrier", sorted(self._others))
        try:
            self._company.change(phone, wish)
        except Wrong as wrong:
            return _refused(str(wrong), sorted(self._others))
        if target is not None and self._company.market.carrier_of(phone) != target:
            self._company.market.port(phone, target)
            self._others[target].take_over(phone, keep_since=keep_since)
        return JSONResponse(self._number(phone))

    async def show_number(self, request: Request) -> Response:
        """A line with its contracts, its past and who serves it."""
        phone = request.path_params["phone"]
        history = self._company.ledger.rows(
            "SELECT at, facts FROM history WHERE phone = ? ORDER BY id DESC LIMIT 50", (phone,)
        )
        shown = self._number(phone)
        shown["history"] = [
            {"at": row["at"], "state": json.loads(row["facts"])["state"]} for row in reversed(history)
        ]
        return JSONResponse(shown)

    def _number(self, phone: str) -> dict[str, Any]:
        books, market = self._company.books, self._company.market
        facts = books.facts(phone)
        return {
            "phone": phone,
            "state": facts.state,
            "reason": facts.reason,
            "data": facts.data,
            "flags": facts.flags,
            "connectivity": books.connectivity(phone, facts),
            "outage": books.in_outage(phone),
            "forwardings": list(facts.forwardings),
            "used_mib": facts.used_mib,
            "plan_mib": facts.plan_mib,
            "sim_changed_at": facts.sim_changed_at,
            "device_changed_at": facts.device_changed_at,
            "carrier": market.carrier_of(phone),
            "ported": market.is_ported(phone),
            "contracts": [
                {
                    "type": one.type,
                    "starts": one.starts.isoformat(),
                    "ends": one.ends.isoformat() if one.ends else None,
                }
                for one in books.contracts(phone)
            ],
        }

    async def list_numbers(self, request: Request) -> Response:
        """Numbers that were ever set, subscriptions, prefixes whose cells are down; `?after=` the last phone of a page."""
        after = request.query_params.get("after", "")
        rows = self._company.ledger.rows(
            "SELECT phone, facts, changed_at FROM line WHERE phone > ? ORDER BY phone LIMIT ?",
            (after, _SHOWN),
        )
        numbers = [
            {
                "phone": row["phone"],
                "state": json.loads(row["facts"])["state"],
                "changed_at": row["changed_at"],
                "served": self._company.market.carrier_of(row["phone"]) == self._company.name,
            }
            for row in rows
        ]
        subscriptions = self._company.ledger.rows(
            "SELECT id, phone, type, status, sent FROM subscription ORDER BY id LIMIT ?", (_SHOWN,)
        )
        outages = [
            row["prefix"] for row in self._company.ledger.rows("SELECT prefix FROM outage ORDER BY prefix")
        ]
        return JSONResponse({"numbers": numbers, "subscriptions": subscriptions, "outages": outages})

    async def set_consent(self, request: Request) -> Response:
        """What a person decided: {"purpose": "dpv:…", "state": "DENIED", "scopes": ["*"], "expires_at": …}."""
        phone, wish = request.path_params["phone"], await _object(request)
        purpose, state, scopes = wish.get("purpose"), wish.get("state"), wish.get("scopes", ["*"])
        if (
            not isinstance(purpose, str)
            or state not in consents.STATES
            or not isinstance(scopes, list)
            or not all(isinstance(one, str) for one in scopes)
        ):
            return _refused("purpose, state, scopes", list(consents.STATES))
        expires_at = text(instant(wish["expires_at"])) if wish.get("expires_at") else None
        consents.decide(self._company.books, phone, scopes, purpose, state, expires_at)
        return JSONResponse(wish)

    async def set_subscription(self, request: Request) -> Response:
        """End a subscription from the carrier's side: {"end": reason, "silent": true}, or {"status": "INACTIVE"}."""
        key, wish = request.path_params["subscription_id"], await _object(request)
        subscriptions = self._company.subscriptions
        if wish.get("end") in _REASONS:
            done = subscriptions.end(key, wish["end"], silent=bool(wish.get("silent")))
        elif wish.get("status") in {"ACTIVE", "INACTIVE"}:
            done = subscriptions.switch(key, active=wish["status"] == "ACTIVE")
        else:
            return _refused("end or status", sorted(_REASONS))
        return JSONResponse({"done": done}, status_code=200 if done else 404)

    async def begin_outage(self, request: Request) -> Response:
        """The cells of a region fail: every number with this prefix is unreachable, and its subscribers are told."""
        return JSONResponse({"told": self._company.outage(request.path_params["prefix"], begins=True)})

    async def end_outage(self, request: Request) -> Response:
        """They work again."""
        return JSONResponse({"told": self._company.outage(request.path_params["prefix"], begins=False)})

    async def list_events(self, request: Request) -> Response:
        """What was posted and what waits, oldest first; `?phone=` for the subscriptions of one number."""
        phone = request.query_params.get("phone")
        rows = self._company.ledger.rows(
            "SELECT id, subscription_id, body, tries, state FROM event WHERE ? IS NULL OR subscription_id IN"
            " (SELECT id FROM subscription WHERE phone = ?) ORDER BY id LIMIT ?",
            (phone, phone, _SHOWN),
        )
        return JSONResponse([row | {"body": json.loads(row["body"])} for row in rows])

    async def list_messages(self, request: Request) -> Response:
        """The SMS that the carrier itself sent: one-time passwords. `?phone=` for one number."""
        phone = request.query_params.get("phone")
        rows = self._company.ledger.rows(
            "SELECT phone, text, at, state FROM sms WHERE ? IS NULL OR phone = ? ORDER BY id DESC LIMIT ?",
            (phone, phone, _SHOWN),
        )
        return JSONResponse({"messages": rows[::-1]})

    async def list_sponsorships(self, request: Request) -> Response:
        """Sponsored sessions, oldest first; `?phone=` for one number."""
        phone = request.query_params.get("phone")
        rows = self._company.ledger.rows(
            "SELECT id, sponsor, campaign, phone, starts_at, ends_at, volume_mb, used_mb, end_reason FROM sponsorship"
            " WHERE ? IS NULL OR phone = ? ORDER BY rowid LIMIT ?",
            (phone, phone, _SHOWN),
        )
        return JSONResponse({"sponsorships": rows})

    async def set_sponsorship(self, request: Request) -> Response:
        """The person uses sponsored data: {"used_mb": 40}."""
        wish = await _object(request)
        used = wish.get("used_mb")
        if not isinstance(used, int) or used < 0:
            return _refused("used_mb", [])
        done = self._company.sponsors.use(request.path_params["session_id"], used)
        return JSONResponse({"done": done}, status_code=200 if done else 404)

    async def set_campaign(self, request: Request) -> Response:
        """Set a campaign's status, type, contracted_mb or ends_at."""
        wish = await _object(request)
        if (
            not wish
            or not set(wish) <= _CAMPAIGN
            or wish.get("status", "active") not in {"active", "paused", "completed"}
            or wish.get("type", "prepaid") not in {"prepaid", "postpaid"}
        ):
            return _refused("status, type, contracted_mb, ends_at", [])
        if "ends_at" in wish:
            wish["ends_at"] = text(instant(wish["ends_at"]))
        names = request.path_params
        return JSONResponse(self._company.sponsors.set_campaign(names["sponsor"], names["campaign"], wish))

    async def forget_tokens(self, request: Request) -> Response:
        """Every access token ends at once."""
        del request
        self._company.tokens.forget()
        return JSONResponse({})


async def _object(request: Request) -> dict[str, Any]:
    try:
        wish = await request.json()
    except ValueError:
        return {}
    return wish if isinstance(wish, dict) else {}


def _refused(member: str, choices: list[str]) -> Response:
    return JSONResponse({"wrong": member, "choices": choices}, status_code=422)
