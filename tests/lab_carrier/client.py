"""A client of a carrier that shares no code with ours: tokens of every kind, calls, and a sink that keeps events."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from lab_sms.running import Simulator

CLIENT = "throughline"
SERVICE = "dpv:RequestedServiceProvision"
FRAUD = "dpv:FraudPreventionAndDetection"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CIBA = "urn:openid:params:grant-type:ciba"


class Client:
    """Speaks to one of the carriers of a running simulator; `base` is the path of its addresses."""

    def __init__(self, simulator: Simulator, base: str = "") -> None:
        self.url = simulator.url + base
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        pem = (simulator.home / "lab" / "keys" / "carrier-client.pem").read_text(encoding="ascii")
        self._key = ECKey.import_key(pem)

    def assertion(self, **more: Any) -> str:
        now_s = int(time.time())
        claims = {
            "iss": CLIENT,
            "sub": CLIENT,
            "aud": f"{self.url}/oauth2/token",
            "jti": str(uuid.uuid4()),
            "iat": now_s,
            "exp": now_s + 120,
            **more,
        }
        return jwt.encode({"alg": "ES256"}, claims, self._key)

    def token_answer(self, **form: str) -> httpx.Response:
        form = {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion(),
            **form,
        }
        return self.http.post("/oauth2/token", data=form)

    def token(self, *scopes: str, phone: str | None = None, purpose: str = SERVICE) -> str:
        """An access token: 2-legged, or of a number by JWT bearer."""
        form = {"grant_type": "client_credentials", "scope": " ".join([*scopes, purpose])}
        if phone is not None:
            form["grant_type"] = JWT_BEARER
            form["assertion"] = self.assertion(sub=f"tel:{phone}")
        answer = self.token_answer(**form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def network_token(self, *scopes: str, phone: str, purpose: str = SERVICE) -> str:
        """A token by authorization code, over the data connection of a number."""
        verifier = secrets.token_urlsafe(40)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        back = "http://127.0.0.1/back"
        answer = self.http.get(
            "/oauth2/authorize",
            params={
                "response_type": "code",
                "client_id": CLIENT,
                "redirect_uri": back,
                "scope": " ".join(["openid", *scopes, purpose]),
                "code_challenge": challenge,
                "code_challenge_method": "S256",
                "state": "s",
            },
            headers={"lab-device": phone},
        )
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query.get("state") == ["s"]
        assert "error" not in query, query
        given = self.token_answer(
            grant_type="authorization_code", code=query["code"][0], code_verifier=verifier, redirect_uri=back
        )
        assert given.status_code == 200, given.text
        return str(given.json()["access_token"])

    def post(self, path: str, token: str, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(path, json=body, headers={"Authorization": f"Bearer {token}", **headers})

    def ask(self, path: str, scope: str, body: Any, phone: str | None = None) -> httpx.Response:
        """One call with a fresh token of one scope."""
        return self.post(path, self.token(scope, phone=phone), body)

    # --- control

    def put(self, phone: str, **wish: Any) -> dict[str, Any]:
        answer = self.http.put(f"/control/numbers/{phone}", json=wish)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def setting(self, **settings: Any) -> None:
        assert self.http.post("/control/settings", json=settings).status_code == 200

    def fault(self, name: str, **more: Any) -> None:
        assert self.http.post("/control/faults", json={"name": name, **more}).status_code == 201

    def calm(self) -> None:
        assert self.http.delete("/control/faults").status_code == 200

    def events(self, phone: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/control/events", params={"phone": phone}).json()
        return found


class Sink:
    """An HTTP server that keeps what it is sent; `status` is its answer."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.status = 204
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                sink.posts.append((headers, json.loads(body)))
                self.send_response(sink.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, subscription_id: str) -> list[dict[str, Any]]:
        """The events of a subscription, in the order in which they came."""
        return [
            body for _, body in self.posts if body.get("data", {}).get("subscriptionId") == subscription_id
        ]

    def kinds(self, subscription_id: str) -> list[str]:
        return [str(body["type"]).rsplit(".", 1)[1] for body in self.of(subscription_id)]
