"""A carrier by the book: it serves the official OpenAPI files, holds every request against them and answers by them.

It knows one line and says of each operation what is in `RIGHT`. What a request gets wrong stands in `breaches`.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

NUMBER = "+8613800138000"
SEEN_AT = "2026-03-01T11:55:00Z"
CAMPAIGN = ("lender@sponsor.example", "3fa85f64-5717-4562-b3fc-2c963f663faf@carrier.example")
SESSION = "123e4567-e89b-42d3-a456-426614174000"
SUBSCRIPTION = "sub-1"
_SPONSORSHIP = "/sponsored-data/vwip/sponsorship/{sponsorId}/{campaignId}/{sessionId}"
_CAMPAIGN = "/sponsored-data/vwip/campaign/{sponsorId}/{campaignId}"
_NAMES = {"sponsorId": CAMPAIGN[0], "campaignId": CAMPAIGN[1]}
_TIMES = {"startTime": "2026-03-01T12:00:00Z", "endTime": "2026-03-01T14:00:00Z"}


def subscribed(api: str, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": SUBSCRIPTION,
        "protocol": "HTTP",
        "sink": "https://lender.example/hooks/line/camara",
        "types": [f"org.camaraproject.{api}.v0.{kind}"],
        "config": {"subscriptionDetail": detail},
        "startsAt": "2026-03-01T12:00:00Z",
        "expiresAt": "2026-03-30T12:00:00Z",
        "status": "ACTIVE",
    }


# (file, method, path in full) -> (status, body): what is true of the line.
RIGHT: dict[tuple[str, str, str], tuple[int, Any]] = {
    ("subscription-status", "POST", "/subscription-status/v0.1/retrive-subscription-status"):
        (200, {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"}),
    ("device-reachability-status", "POST", "/device-reachability-status/v1/retrieve"):
        (200, {"reachable": False, "lastStatusTime": SEEN_AT}),
    ("sim-swap", "POST", "/sim-swap/v2/check"): (200, {"swapped": True}),
    ("sim-swap", "POST", "/sim-swap/v2/retrieve-date"): (200, {"latestSimChange": SEEN_AT, "monitoredPeriod": 120}),
    ("device-swap", "POST", "/device-swap/v1/check"): (200, {"swapped": True}),
    ("device-swap", "POST", "/device-swap/v1/retrieve-date"): (200, {"latestDeviceChange": SEEN_AT}),
    ("number-recycling", "POST", "/number-recycling/v0.2/check"): (200, {"phoneNumberRecycled": True}),
    ("kyc-tenure", "POST", "/kyc-tenure/v0.2/check-tenure"): (200, {"tenureDateCheck": False, "contractType": "PAYG"}),
    ("call-forwarding-signal", "POST", "/call-forwarding-signal/v0.4/unconditional-call-forwardings"): (200, {"active": True}),
    ("call-forwarding-signal", "POST", "/call-forwarding-signal/v0.4/call-forwardings"): (200, ["conditional_busy"]),
    ("consent-info", "POST", "/consent-info/v0.2/retrieve"):
        (200, {"statusInfo": [{"scopes": ["sim-swap:check"], "purpose": "dpv:RequestedServiceProvision", "statusValidForProcessing": True}]}),
    ("number-verification", "POST", "/number-verification/v2/verify"): (200, {"devicePhoneNumberVerified": True}),
    ("number-verification", "GET", "/number-verification/v2/device-phone-number"): (200, {"devicePhoneNumber": NUMBER}),
    ("one-time-password-sms", "POST", "/one-time-password-sms/v1/send-code"): (200, {"authenticationId": SESSION}),
    ("one-time-password-sms", "POST", "/one-time-password-sms/v1/validate-code"): (204, None),
    ("device-data-volume", "POST", "/device-data-volume/v0.1/retrieve"): (200, {"dataVolumeCategory": "<200MiB"}),
    ("device-data-volume", "POST", "/device-data-volume/v0.1/check"): (200, {"thresholdExceeded": True}),
    ("device-reachability-status-subscriptions", "POST", "/device-reachability-status-subscriptions/v0.8/subscriptions"):
        (201, subscribed("device-reachability-status-subscriptions", "reachability-data", {"device": {"phoneNumber": NUMBER}})),
    ("device-reachability-status-subscriptions", "GET", "/device-reachability-status-subscriptions/v0.8/subscriptions/{subscriptionId}"):
        (200, subscribed("device-reachability-status-subscriptions", "reachability-data", {"device": {"phoneNumber": NUMBER}})),
    ("device-reachability-status-subscriptions", "DELETE", "/device-reachability-status-subscriptions/v0.8/subscriptions/{subscriptionId}"): (204, None),
    ("sim-swap-subscriptions", "POST", "/sim-swap-subscriptions/v0.3/subscriptions"):
        (201, subscribed("sim-swap-subscriptions", "swapped", {"phoneNumber": NUMBER})),
    ("sim-swap-subscriptions", "DELETE", "/sim-swap-subscriptions/v0.3/subscriptions/{subscriptionId}"): (204, None),
    ("device-data-volume-subscriptions", "DELETE", "/device-data-volume-subscriptions/v0.1/subscriptions/{subscriptionId}"): (204, None),
    ("device-data-volume-subscriptions", "POST", "/device-data-volume-subscriptions/v0.1/subscriptions"):
        (201, subscribed("device-data-volume-subscriptions", "data-90-percent", {"device": {"phoneNumber": NUMBER}})),
    ("sponsored_data", "POST", "/sponsored-data/vwip/sponsorship"):
        (201, {**_NAMES, **_TIMES, "sessionId": SESSION, "sponsoredDataVolume": 100}),
    ("sponsored_data", "GET", f"{_SPONSORSHIP}/session-status"):
        (200, {**_NAMES, **_TIMES, "sessionId": SESSION, "phoneNumber": NUMBER, "sessionStatus": "active", "dataVolumeConsumed": 60, "dataVolumeAvailable": 40}),
    ("sponsored_data", "DELETE", f"{_SPONSORSHIP}/revoke"): (200, {"requestResult": "successful_revocation"}),
    ("sponsored_data", "GET", f"{_CAMPAIGN}/campaign-status"):
        (200, {**_NAMES, **_TIMES, "status": "active", "campaignType": "postpaid", "usedDataVolume": 5, "completionReason": "not_available"}),
    ("sponsored_data", "GET", f"{_CAMPAIGN}/active-sponsorships"):
        (200, {**_NAMES, "activeSponsorships": [{"sessionId": SESSION, "phoneNumber": NUMBER}], "totalCount": 1}),
    ("sponsored_data", "POST", f"{_CAMPAIGN}/alert-subscription"): (200, {**_NAMES, "requestResult": "SUCCESS"}),
    ("sponsored_data", "POST", "/sponsored-data/vwip/campaign/management"): (200, {**_NAMES, "requestResult": "PAUSED", "status": "paused"}),
}  # fmt: skip


@cache
def _file(name: str) -> Any:
    text = files("throughline.lab.carrier").joinpath(f"specs/{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=_Plain)  # noqa: S506 - a safe loader


class _Plain(yaml.SafeLoader):
    """Examples hold dates, which JSON Schema has none of."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@cache
def _validator(name: str, pointer: str) -> Draft202012Validator:
    resource = Resource.from_contents(_file(name), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(f"urn:{name}", resource)
    return Draft202012Validator({"$ref": f"urn:{name}#{pointer}"}, registry=registry)


def _pointer(*parts: str) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def base_of(name: str) -> str:
    return str(_file(name)["servers"][0]["url"]).removeprefix("{apiRoot}")


def faults(name: str, method: str, path: str, part: str, document: Any, status: str = "200") -> list[str]:
    """What is wrong with a request or an answer of an operation."""
    inside = path.removeprefix(base_of(name))
    head = ("paths", inside, method.lower())
    where = ("requestBody",) if part == "request" else ("responses", status)
    schema = _pointer(*head, *where, "content", "application/json", "schema")
    found = _file(name)
    for step in (*head, *where):
        found = found.get(step, {})
    if "$ref" in found:
        schema = found["$ref"].removeprefix("#") + _pointer("content", "application/json", "schema")
    return [
        f"{'.'.join(map(str, one.absolute_path))}: {one.message}"
        for one in _validator(name, schema).iter_errors(document)
    ]


def scopes_of(name: str, method: str, path: str) -> list[set[str]]:
    operation = _file(name)["paths"][path.removeprefix(base_of(name))][method.lower()]
    return [set(one["openId"]) for one in operation.get("security", [])]


class Carrier:
    """The server. `tokens` maps each access token to its scopes; `requests` are (method, path, body)."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.tokens: dict[str, set[str]] = {
            "network": {"number-verification:verify", "number-verification:device-phone-number:read"}
        }
        self.assertions: list[str] = []
        self.fresh_ids = False  # each subscription has an id of its own
        carrier = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                status, document = carrier.answer(self.command, self.path, dict(self.headers.items()), body)
                content = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                if document is not None:
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("x-correlator", self.headers.get("x-correlator") or "")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        low = {name.lower(): value for name, value in headers.items()}
        self.requests.append((method, path))
        if path == "/oauth2/token":
            return 200, self._token(body)
        for (name, verb, template), right in RIGHT.items():
            pattern = re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(template))
            if verb == method and re.fullmatch(pattern, unquote(path)):
                self._check(name, method, template, low, body)
                if self.fresh_ids and right[0] == 201 and "id" in right[1]:
                    return right[0], right[1] | {"id": f"sub-{uuid.uuid4()}"}
                return right
            other = "/subscription-status/v0.1/retrieve-subscription-status"
            if path == other and name == "subscription-status":
                return right
        self.breaches.append(f"{method} {path}: no such operation")
        return 404, {"status": 404, "code": "NOT_FOUND", "message": "no such operation"}

    def _token(self, body: bytes) -> dict[str, Any]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.assertions.append(form["client_assertion"])
        scopes = set(form["scope"].split())
        if len([one for one in scopes if one.startswith("dpv:")]) != 1:
            self.breaches.append("a token of no or two purposes")
        token = uuid.uuid4().hex
        self.tokens[token] = scopes
        return {"access_token": token, "token_type": "Bearer", "expires_in": 300}

    def _check(self, name: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        where = f"{method} {path}"
        try:
            assert uuid.UUID(headers["x-correlator"]).version == 4
        except (KeyError, ValueError, AssertionError):
            self.breaches.append(f"{where}: x-correlator")
        if name == "sponsored_data":
            token = headers.get("accesstoken", "")
        else:
            token = headers.get("authorization", "").removeprefix("Bearer ")
        scopes = self.tokens.get(token)
        needed = scopes_of(name, method, path)
        if scopes is None:
            self.breaches.append(f"{where}: token")
        elif needed and not any(one & scopes for one in needed):
            self.breaches.append(f"{where}: scope")
        if method == "POST":
            if headers.get("content-type") != "application/json":
                self.breaches.append(f"{where}: content type")
            self.breaches.extend(
                f"{where}: {one}" for one in faults(name, method, path, "request", json.loads(body))
            )
        elif body:
            self.breaches.append(f"{where}: a body")
