"""Reading members' files and writing answers, from the bureau's own description of its format."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

RATINGS = frozenset({"current", "closed", "late", "charged_off", "written_off", "not_stated"})
_PERIOD = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")
_REF = re.compile(r"^[A-Za-z0-9-]{1,80}$")
MAX_BYTES = 4 * 1024 * 1024
MAX_ITEMS = 1_000


class BadFile(Exception):
    """A file of which nothing is taken; the text is the code."""


def read_file(raw: bytes, ref: str) -> list[dict[str, Any]]:
    """The items of a file. Raises BadFile unless header, sums and hash are right."""
    if len(raw) > MAX_BYTES:
        raise BadFile("TOO_LARGE")
    try:
        *lines, last = raw.decode("utf-8").split("\n")[:-1]
        documents = [json.loads(line) for line in lines]
        trailer = json.loads(last)
        header, items = documents[0], documents[1:]
        if header["kind"] != "header" or header["format"] != "throughline-bureau" or header["version"] != 1:
            raise BadFile("FORMAT")
        if header["file"] != ref:
            raise BadFile("REFERENCE")
        if trailer["sha256"] != hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest():
            raise BadFile("HASH")
        if not 1 <= len(items) <= MAX_ITEMS or trailer["items"] != len(items):
            raise BadFile("COUNT")
        for name in ("balance_minor", "late_minor"):
            if trailer[name] != sum(item[name] for item in items):
                raise BadFile("SUMS")
    except (UnicodeDecodeError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BadFile("FORMAT") from error
    return items


def fault_of(item: dict[str, Any]) -> str | None:
    """Why an item can't be taken by itself (a code), or None."""
    try:
        good = (
            item["kind"] == "item"
            and _REF.match(item["ref"])
            and _PERIOD.match(item["period"])
            and item["rating"] in RATINGS
            and date.fromisoformat(item["as_of"]).isoformat()[:7] == item["period"]
            and all(type(item[name]) is int and item[name] >= 0 for name in ("days_late", "late_minor"))
            and type(item["balance_minor"]) is int
        )
        if not good:
            return "FORMAT"
        if (item["rating"] == "not_stated") != (item["hold_code"] is not None):
            return "HOLD_CODE"
        if item["rating"] in {"current", "closed", "not_stated"} and (
            item["days_late"] or item["late_minor"]
        ):
            return "CONTRADICTION"
        if item["corrects"] is None and not (item["subject"] or {}).get("id_number"):
            return "SUBJECT"
    except (KeyError, TypeError, ValueError, AttributeError):
        return "FORMAT"
    return None


def write_answer(ref: str, results: Sequence[dict[str, Any]]) -> bytes:
    """The answer file."""
    documents: list[dict[str, Any]] = [{"kind": "answer", "file": ref}, *results]
    body = "".join(json.dumps(one) + "\n" for one in documents)
    trailer = {
        "kind": "trailer",
        "items": len(results),
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
    }
    return (body + json.dumps(trailer) + "\n").encode()
