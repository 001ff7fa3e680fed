"""What a story is played with: the person, their browsers, the staff, the outside, and patience."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from throughline.kernel.i18n import gettext
from throughline.lab.authenticator import SoftwareAuthenticator
from throughline.lab.story.client import PATIENCE_S, PAUSE_S, Browser, StoryError
from throughline.lab.story.outside import Outside
from throughline.lab.story.people import Person

T = TypeVar("T")


class Staff:
    """A reader of the staff's API, with the demo's key."""

    def __init__(self, base_url: str, home: Path) -> None:
        try:
            credentials = json.loads((home / "demo-credentials.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoryError(
                f"{home} holds no demo credentials: start the platform with `make run` first, as the same user"
            ) from None
        self._headers = {"Authorization": f"Bearer {credentials['api_key']}"}
        self._http = httpx.Client(base_url=f"{base_url.rstrip('/')}/api/v1", timeout=30, trust_env=False)

    def get(self, path: str, **query: str) -> Any:
        """The JSON of a resource; waits while the platform is being started again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._http.get(path, params=query, headers=self._headers)
            except httpx.TransportError as error:
                if time.monotonic() >= deadline:
                    raise StoryError("the platform does not answer") from error
            else:
                if answer.is_success:
                    return answer.json()
                if answer.status_code not in {502, 503} or time.monotonic() >= deadline:
                    raise StoryError(f"GET {path}: {answer.status_code} {answer.text[:400]}")
            time.sleep(PAUSE_S)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The first page of a list."""
        return list(self.get(path, **query)["items"])

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


@dataclass
class Stage:
    """Everything that the steps of a story share; `borrower_id` and the like are filled in as it goes on."""

    base_url: str
    language: str
    staff: Staff
    outside: Outside
    person: Person
    first: Browser
    other: Browser
    authenticator: SoftwareAuthenticator = field(default_factory=SoftwareAuthenticator)
    borrower_id: str = ""
    application_id: str = ""
    loan_id: str = ""
    due_date: str = ""
    episode_id: str = ""
    order_ref: str = ""
    texts_before: int = 0
    recovery_codes: list[str] = field(default_factory=list)

    def say(self, msgid: str, /, **params: object) -> str:
        """A sentence in the story's language."""
        return gettext(msgid, self.language, **params)

    def until(self, what: str, look: Callable[[], T | None]) -> T:
        """Look again and again until something is there. Raises StoryError after some minutes."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            seen = look()
            if seen:
                return seen
            if time.monotonic() >= deadline:
                raise StoryError(f"did not happen within {PATIENCE_S} s: {what}")
            time.sleep(PAUSE_S)

    def close(self) -> None:
        """Let go of all connections."""
        for one in (self.first, self.other, self.staff, self.outside):
            one.close()


def set_up(base_url: str, language: str, home: Path, person: Person) -> Stage:
    """A stage with two browsers that share no cookie. Raises StoryError without the demo's credentials."""
    return Stage(
        base_url=base_url,
        language=language,
        staff=Staff(base_url, home),
        outside=Outside(),
        person=person,
        first=Browser(base_url, language, "phone"),
        other=Browser(base_url, language, "library computer"),
    )
