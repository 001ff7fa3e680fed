"""Playbooks and severities: data in YAML, checked when read; which one an incident asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from throughline.contracts import outage
from throughline.kernel.i18n import LOCALES, Text

SEVERITIES = ("S1", "S2", "S3", "S4")  # the gravest first
MESSAGES = ("first", "neutral", "over")


class PlaybookWrong(ValueError):
    """A playbook or the table of severities can't be used; the text names the file and the place."""


@dataclass(frozen=True, slots=True)
class Severity:
    """What a severity asks of us; minutes from when the response was opened, None: not asked for."""

    name: str
    first_note_min: int | None
    update_every_min: int | None
    grace_within_min: int | None
    post_mortem_working_days: int | None
    public_summary: bool
    roles: tuple[str, ...]
    meaning: Text


@dataclass(frozen=True, slots=True)
class Step:
    """One step: who does what, what proves it, within how many minutes."""

    id: str
    who: str
    within_min: int
    what: Text
    proof: Text


@dataclass(frozen=True, slots=True)
class Condition:
    """A severity and when it holds; what is not named does not matter."""

    severity: str
    touched_at_least: int = 0
    kinds: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Playbook:
    """A plan for one kind of trouble."""

    id: str
    title: Text
    cause: str
    kinds: frozenset[str]
    conditions: tuple[Condition, ...]
    steps: tuple[Step, ...]
    messages: Mapping[str, Text]

    def severity(self, kind: str, scope: Mapping[str, str], touched: int) -> str:
        """The severity of an incident that touches so many borrowers: the first condition that holds."""
        for one in self.conditions:
            if (
                touched >= one.touched_at_least
                and (not one.kinds or kind in one.kinds)
                and (not one.tasks or scope.get("task") in one.tasks)
                and (not one.whole or not scope)
            ):
                return one.severity
        return SEVERITIES[-2]

    def message(self, name: str, title: Text, since: Text) -> Text:
        """A message with its places filled."""
        text = self.messages[name]
        return {locale: text[locale] % {"title": title[locale], "since": since[locale]} for locale in LOCALES}


def graver(one: str, other: str) -> str:
    """The graver of two severities."""
    return min(one, other, key=SEVERITIES.index)


def parse(raw: Any, name: str = "playbook") -> Playbook:
    """A playbook out of its YAML. Raises PlaybookWrong."""
    try:
        trigger = raw["trigger"]
        found = Playbook(
            str(raw["id"]),
            _text(raw["title"]),
            str(trigger["cause"]),
            frozenset(trigger["kinds"]),
            tuple(_condition(one) for one in raw["severity"]),
            tuple(_step(one) for one in raw["steps"]),
            {name: _text(raw["messages"][name]) for name in MESSAGES},
        )
        for one in MESSAGES:
            found.message(one, {"zh-CN": "x", "en": "x"}, {"zh-CN": "x", "en": "x"})
    except (KeyError, TypeError, ValueError) as error:
        raise PlaybookWrong(f"{name}: {type(error).__name__}: {error}") from error
    if found.cause not in {"carrier", "own"} or not found.kinds <= outage.KINDS[found.cause]:
        raise PlaybookWrong(f"{name}: trigger: the kinds are those of the outage policy")
    if len({one.id for one in found.steps}) != len(found.steps) or not found.steps:
        raise PlaybookWrong(f"{name}: steps have ids of their own, and there is at least one")
    return found


def _text(raw: Any) -> Text:
    if set(raw) != set(LOCALES) or not all(isinstance(one, str) and one for one in raw.values()):
        raise ValueError(f"a text is there in {LOCALES}")
    return dict(raw)


def _condition(raw: Mapping[str, Any]) -> Condition:
    if raw["is"] not in SEVERITIES or raw.keys() - {"is", "touched_at_least", "kinds", "tasks", "whole"}:
        raise ValueError(f"severity: {dict(raw)}")
    return Condition(
        str(raw["is"]),
        int(raw.get("touched_at_least", 0)),
        frozenset(raw.get("kinds", ())),
        frozenset(raw.get("tasks", ())),
        bool(raw.get("whole", False)),
    )


def _step(raw: Mapping[str, Any]) -> Step:
    within_min = int(raw["within_min"])
    if not 1 <= within_min <= 30 * 24 * 60:
        raise ValueError(f"{raw['id']}: within_min is from 1 to 43200")
    return Step(str(raw["id"]), str(raw["who"]), within_min, _text(raw["what"]), _text(raw["proof"]))


@lru_cache(maxsize=1)
def shipped() -> tuple[Playbook, ...]:
    """The playbooks of this release, by id. Raises PlaybookWrong."""
    folder = files("throughline.continuity").joinpath("data/playbooks")
    found = [
        parse(yaml.safe_load(one.read_text(encoding="utf-8")), one.name)
        for one in folder.iterdir()
        if one.name.endswith(".yaml")
    ]
    return tuple(sorted(found, key=lambda one: one.id))


@lru_cache(maxsize=1)
def severities() -> Mapping[str, Severity]:
    """What each severity asks of us."""
    text = files("throughline.continuity").joinpath("data/severity.yaml").read_text(encoding="utf-8")
    return {
        name: Severity(
            name,
            raw["first_note_min"],
            raw["update_every_min"],
            raw["grace_within_min"],
            raw["post_mortem_working_days"],
            raw["public_summary"],
            tuple(raw["roles"]),
            {"zh-CN": raw["zh"], "en": raw["en"]},
        )
        for name, raw in yaml.safe_load(text).items()
    }


def playbook(playbook_id: str) -> Playbook | None:
    """A playbook by its id."""
    return next((one for one in shipped() if one.id == playbook_id), None)


def for_incident(cause: str, kind: str) -> Playbook | None:
    """The playbook that an incident asks for."""
    return next((one for one in shipped() if one.cause == cause and kind in one.kinds), None)
