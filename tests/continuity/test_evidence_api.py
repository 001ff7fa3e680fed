"""Evidence over HTTP: one file in a form within limits, nobody else's, and opened by people who may decide."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from continuity.debtors import Debtor, noon, today
from continuity.papers import HTML, SVG, jpeg, pdf, png
from support.callers import Browse, browsing
from throughline.continuity import api, service
from throughline.continuity.evidence import handing_in, media
from throughline.identity.roles import ROLES
from throughline.kernel import clock, http
from throughline.kernel.db import Database

DAY = timedelta(days=1)
DECIDER = http.Caller("staff", uuid4(), uuid4(), ROLES["agent"])
REASON = {"zh": "清楚。", "en": "Clear."}
MB = 1024 * 1024


@pytest.fixture
def browse(database: Database) -> Iterator[Browse]:
    with browsing(api.router) as as_caller:
        yield as_caller


@pytest.fixture
def report_id(database: Database, late: Debtor) -> UUID:
    """The report of the late borrower."""
    with database.transaction() as session:
        return service.report(
            session, late.id, "line_out", from_at=noon(today() - 11 * DAY), to_at=None, now=clock.now()
        )


def me(who: Debtor, *levels: str) -> http.Caller:
    return http.Caller("borrower", who.id, uuid4(), frozenset(levels))


def send(
    client: httpx.Client,
    report_id: UUID,
    sent: bytes,
    *,
    name: str = "photo.png",
    claimed: str = "image/png",
    key: str = "",
    language: str = "en",
    **fields: str,
) -> httpx.Response:
    return client.post(
        f"/api/v1/me/outages/{report_id}/evidence",
        files={"file": (name, sent, claimed)},
        data={"kind": "carrier_notice"} | fields,
        headers={"Idempotency-Key": key or str(uuid4()), "Accept-Language": language},
    )


def test_one_file_is_taken_once_for_its_key(browse: Browse, late: Debtor, report_id: UUID) -> None:
    client = browse(me(late))
    first = send(client, report_id, jpeg(), key="k1", words="停机通知")
    assert first.status_code == 201, first.text
    found: dict[str, Any] = first.json()
    assert (found["state"], found["media_type"]) == ("waiting", "image/jpeg")
    assert not {"seen_by", "words", "decided_by"} & found.keys()
    again = send(client, report_id, jpeg(), key="k1", words="停机通知")  # another boundary, the same request
    assert (again.status_code, again.json()) == (201, found)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = send(client, report_id, pdf(), key="k1", words="停机通知")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    twice = send(client, report_id, jpeg())  # the same file under another key is the one that is there
    assert twice.json()["id"] == found["id"]
    listed = client.get(f"/api/v1/me/outages/{report_id}/evidence").json()
    assert [(one["id"], one["words"]) for one in listed] == [(found["id"], "停机通知")]
    whole = client.get("/api/v1/me/outage-evidence").json()
    assert [one["id"] for one in whole["items"]] == [found["id"]]


@pytest.mark.parametrize(
    ("sent", "claimed", "status", "code"),
    [
        (HTML, "image/png", 415, "evidence-type"),
        (SVG, "image/svg+xml", 415, "evidence-type"),
        (b"PK\x03\x04", "application/pdf", 415, "evidence-type"),
        (b"", "image/png", 422, "evidence-empty"),
        (b"%PDF-1.7" + bytes(3 * MB) + b"%%EOF", "application/pdf", 413, "file-too-large"),
        (bytes(5 * MB), "image/jpeg", 413, "file-too-large"),
        (bytes(25 * MB), "image/jpeg", 413, "too-large"),
    ],
)
def test_what_is_refused_says_why_in_both_languages(
    browse: Browse, late: Debtor, report_id: UUID, sent: bytes, claimed: str, status: int, code: str
) -> None:
    said = {}
    for language in ("en", "zh-CN"):
        answer = send(browse(me(late)), report_id, sent, claimed=claimed, language=language)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        said[language] = answer.json().get("detail") or answer.json()["title"]
    assert said["en"] != said["zh-CN"]
    assert any("\u4e00" <= char <= "\u9fff" for char in said["zh-CN"])


def test_a_form_that_is_none(browse: Browse, late: Debtor, report_id: UUID) -> None:
    client, path = browse(me(late)), f"/api/v1/me/outages/{report_id}/evidence"
    key = {"Idempotency-Key": "x"}
    wrong: list[dict[str, Any]] = [
        {"json": {"kind": "letter"}},
        {"data": {"kind": "letter"}},
        {"content": b"--x\r\nnonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"content": b"", "headers": {"content-type": "multipart/form-data"}},
        {"files": [("file", ("a.png", png())), ("file", ("b.png", png()))]},
        {"files": {"photo": ("a.png", png())}, "data": {"kind": "letter"}},
        {"files": {"file": ("a.png", png())}, "data": {f"f{number}": "x" for number in range(11)}},
        {"files": {"file": ("a.png", png())}, "data": {"kind": "letter", "words": "x" * 20_000}},
    ]
    for one in wrong:
        answer = client.post(path, **(one | {"headers": one.get("headers", {}) | key}))
        assert (answer.status_code, answer.json()["code"]) == (422, "not-an-upload"), one.keys()
    assert send(client, report_id, png(), kind="selfie").json()["code"] == "evidence-kind"
    assert send(client, report_id, png(), words="x" * 501).json()["code"] == "evidence-words"
    no_key = client.post(path, files={"file": ("a.png", png())}, data={"kind": "letter"})
    assert no_key.status_code == 422


def test_a_large_file_never_touches_a_disk(
    browse: Browse, late: Debtor, report_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_disk(_: object) -> None:
        raise AssertionError("a file of a borrower was about to be written in clear")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", on_disk)
    large = b"%PDF-1.7" + bytes(3 * MB - 13) + b"%%EOF"
    assert len(large) == media.MOST_BYTES
    answer = send(browse(me(late)), report_id, large)
    assert (answer.status_code, answer.json()["size_bytes"]) == (201, media.MOST_BYTES)


def test_other_paths_keep_their_limit(browse: Browse, late: Debtor, report_id: UUID) -> None:
    client = browse(me(late))
    for path in (f"/api/v1/me/outages/{report_id}/over", f"/api/v1/me/outages/{report_id}/evidence/x"):
        answer = client.post(path, content=bytes(MB + 1), headers={"Idempotency-Key": "x"})
        assert answer.status_code == 413


def test_whose_report_it_is_and_who_may_ask(
    browse: Browse, late: Debtor, early: Debtor, report_id: UUID
) -> None:
    assert send(browse(http.PUBLIC), report_id, png()).status_code == 401
    assert send(browse(DECIDER), report_id, png()).status_code == 403
    stranger = browse(me(early, "A1", "A2"))
    for answer in (
        send(stranger, report_id, png()),
        send(stranger, uuid4(), png()),
        stranger.get(f"/api/v1/me/outages/{report_id}/evidence"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "outage-not-found")
    made = send(browse(me(late)), report_id, png()).json()
    file = f"/api/v1/me/outage-evidence/{made['id']}/file"
    assert stranger.get(file).status_code == 404
    assert stranger.get("/api/v1/me/outage-evidence").json()["items"] == []
    assert browse(me(late, "A1")).get(file).status_code == 403  # whoever has the phone in hand is not enough
    own = browse(me(late, "A1", "A2")).get(file)
    assert (own.status_code, own.content) == (200, png())


def test_sending_again_and_again_is_stopped(browse: Browse, late: Debtor, report_id: UUID) -> None:
    client = browse(me(late))
    for _ in range(handing_in.TRIES.in_window):
        assert send(client, report_id, HTML).status_code == 415
    answer = send(client, report_id, png())
    assert (answer.status_code, answer.json()["code"]) == (429, "evidence-too-often")
    assert answer.headers["Retry-After"]


def test_staff_open_and_decide(browse: Browse, late: Debtor, report_id: UUID) -> None:
    made = send(browse(me(late)), report_id, pdf(HTML), words="<b>看</b>").json()
    file, decision = (
        f"/api/v1/outage-evidence/{made['id']}/file",
        f"/api/v1/episodes/{report_id}/evidence/decision",
    )
    everything_else = frozenset().union(*ROLES.values()) - {"continuity:write"}
    for caller, status in (
        (http.PUBLIC, 401),
        (me(late, "A1", "A2"), 403),
        (http.Caller("staff", uuid4(), uuid4(), everything_else), 403),
        (http.Caller("service", uuid4(), None, ROLES["admin"]), 403),  # people look, programs do not
    ):
        assert browse(caller).get(file).status_code == status
    client = browse(DECIDER)
    waiting = client.get("/api/v1/outage-evidence").json()["items"]
    assert str(report_id) in [one["episode_id"] for one in waiting]
    (listed,) = client.get(f"/api/v1/episodes/{report_id}/evidence").json()
    assert (listed["words"], listed["seen_by"]) == ("<b>看</b>", [])
    body = {
        "accept": True,
        "reason": REASON,
        "proved": {
            "kind": "suspended",
            "from_at": noon(late.due - DAY).isoformat(),
            "to_at": noon(late.due + DAY).isoformat(),
        },
    }
    unseen = client.post(decision, json=body, headers={"Idempotency-Key": "d1"})
    assert (unseen.status_code, unseen.json()["code"]) == (409, "evidence-unseen")
    opened = client.get(file)
    assert (opened.status_code, opened.content) == (200, pdf(HTML))
    assert opened.headers["content-type"] == "application/pdf"
    assert opened.headers["content-disposition"] == f'attachment; filename="evidence-{made["id"]}.pdf"'
    assert opened.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert opened.headers["x-content-type-options"] == "nosniff"
    assert opened.headers["cache-control"] == "no-store"
    half = client.post(decision, json=body | {"proved": None}, headers={"Idempotency-Key": "d2"})
    assert half.status_code == 422  # an acceptance without days, a refusal with some: neither is guessed
    done = client.post(decision, json=body, headers={"Idempotency-Key": "d1"})
    assert done.status_code == 200, done.text
    mine = browse(me(late))
    (told,) = mine.get(f"/api/v1/me/outages/{report_id}/evidence").json()
    assert (told["state"], told["answer"]) == ("accepted", {"zh-CN": "清楚。", "en": "Clear."})
    assert told["outage_id"] == done.json()["outage_id"]
    over = send(mine, report_id, jpeg())
    assert (over.status_code, over.json()["code"]) == (409, "evidence-not-needed")
    assert client.get(f"/api/v1/outage-evidence/{uuid4()}/file").status_code == 404
    assert client.get(f"/api/v1/episodes/{uuid4()}/evidence").status_code == 404
