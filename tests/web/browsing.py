"""A browser without JavaScript: keeps cookies, follows redirects, fills in the forms that a page really has."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi.testclient import TestClient

ORIGIN = "http://localhost:8000"


@dataclass
class PageForm:
    """One form of a page: where it goes and what it would send as it stands."""

    action: str
    method: str
    attributes: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(PageForm(given.get("action", ""), given.get("method", "get"), given))
        elif tag == "input" and self.forms and given.get("name"):
            ticked = given.get("type") not in {"checkbox", "radio"} or "checked" in given
            if ticked:
                self.forms[-1].fields[given["name"]] = given.get("value", "")


class PlainBrowser:
    """Somebody's browser. Cookies are kept by hand: the test client's jar wants https for `__Host-` ones."""

    def __init__(self, client: TestClient, language: str = "zh-CN") -> None:
        self.client = client
        self.cookies: dict[str, str] = {"lang": language}
        self.page = httpx.Response(200)
        self.path = ""

    def open(self, path: str) -> str:
        """Open a page, following redirects; returns its text."""
        return self._follow("GET", path, None)

    def submit(self, action: str, **typed: str) -> str:
        """Fill in the form with that action on the page that is open, and send it."""
        form = self.form(action)
        return self._follow("POST", form.action, {**form.fields, **typed})

    def upload(self, action: str, file: tuple[str, bytes, str], **typed: str) -> str:
        """Fill in the form with that action, choose a file (name, content, type) for it, and send it."""
        form = self.form(action)
        assert form.attributes.get("enctype") == "multipart/form-data"
        answer = self.client.post(
            form.action,
            data={**form.fields, **typed},
            files={"file": file},
            headers=self._headers(),
            follow_redirects=False,
        )
        self._keep(answer)
        if answer.status_code == 303:
            return self.open(answer.headers["location"].partition("#")[0])
        self.page, self.path = answer, form.action
        return answer.text

    def form(self, action: str) -> PageForm:
        """The form of the open page that goes to that address."""
        for form in self.forms():
            if form.action == action:
                return form
        raise AssertionError(f"no form to {action} on {self.path}")

    def forms(self) -> list[PageForm]:
        """All forms of the open page."""
        parser = _Forms()
        parser.feed(self.page.text)
        return parser.forms

    def api(self, path: str, body: Any) -> Any:
        """What passkey.js sends; returns the JSON of the answer."""
        answer = self.client.post(
            f"/api/v1{path}",
            json=body,
            headers={**self._headers(), "Idempotency-Key": str(id(body)) + path.replace("/", "-")},
        )
        self._keep(answer)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def _follow(self, method: str, path: str, fields: dict[str, str] | None) -> str:
        answer = self.send(method, path, fields)
        for _ in range(5):
            if answer.status_code not in {303, 307}:
                break
            path = answer.headers["location"]
            answer = self.send("GET", path, None)
        self.page, self.path = answer, path
        return answer.text

    def send(self, method: str, path: str, fields: dict[str, str] | None) -> httpx.Response:
        """One request as it is."""
        headers = self._headers()
        content = None
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            content = urlencode(fields)
        answer = self.client.request(method, path, content=content, headers=headers, follow_redirects=False)
        self._keep(answer)
        return answer

    def _headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Origin": ORIGIN, "Cookie": cookies}

    def _keep(self, answer: httpx.Response) -> None:
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
