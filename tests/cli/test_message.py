"""`throughline message …`: the routes that are set up, and a try of one against a real provider's wire format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_ops import places
from messaging.mail_server import MailServer
from messaging.sms_provider import ACCOUNT, SmsProvider


@pytest.fixture
def provider() -> Iterator[SmsProvider]:
    made = SmsProvider()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def mailbox() -> Iterator[MailServer]:
    made = MailServer()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def env(tmp_path: Path, provider: SmsProvider, mailbox: MailServer) -> dict[str, str]:
    account = tmp_path / "account.json"
    account.write_text(json.dumps(ACCOUNT), encoding="utf-8")
    sms = {"channel": "sms", "adapter": "aliyun-sms"}
    rows = [
        sms | {"name": "main", "options": {"url": provider.url, "account_file": str(account)}},
        sms
        | {"name": "spare", "priority": 2, "options": {"url": provider.url, "account_file": "/nowhere.json"}},
        {
            "name": "relay",
            "channel": "email",
            "adapter": "smtp",
            "options": {"host": "127.0.0.1", "port": mailbox.port, "starttls": False},
        },
    ]
    file = tmp_path / "routes.json"
    file.write_text(json.dumps({"routes": rows}), encoding="utf-8")
    return places.environment(tmp_path, THROUGHLINE_DEMO="1", THROUGHLINE_MESSAGING_ROUTES_FILE=str(file))


def test_routes_are_listed_with_what_they_lack(env: dict[str, str]) -> None:
    done = places.command("message", "routes", "--json", env=env)
    rows = {one["name"]: one for one in json.loads(done.stdout)}
    assert list(rows) == ["relay", "main", "spare"]
    assert (rows["main"]["missing"], rows["relay"]["missing"]) == ("", "")
    assert "nowhere.json" in rows["spare"]["missing"]
    assert "ready" in places.command("message", "routes", env=env).stdout


def test_a_try_over_each_channel(env: dict[str, str], provider: SmsProvider, mailbox: MailServer) -> None:
    done = places.command("message", "send", "--channel", "sms", "--to", "+8613800000001", env=env)
    said = json.loads(done.stdout)
    assert (done.returncode, said["route"], said["verdict"], said["provider_ref"]) == (
        0,
        "main",
        "accepted",
        "biz1",
    )
    assert provider.accepted[0]["OutId"] == said["client_ref"]
    done = places.command(
        "message", "send", "--route", "relay", "--to", "me@lender.example", "--lang", "en", env=env
    )
    assert done.returncode == 0
    assert mailbox.mails[0]["Subject"] == "You have a new message"


def test_what_is_refused_and_what_is_not_there_say_so(env: dict[str, str], provider: SmsProvider) -> None:
    provider.mode = "isv.MOBILE_NUMBER_ILLEGAL"
    done = places.command("message", "send", "--route", "main", "--to", "1", env=env)
    assert done.returncode == 1
    assert json.loads(done.stdout)["verdict"] == "rejected_final"
    for words, said in [
        (["--to", "1"], "--channel or a --route"),
        (["--to", "1", "--route", "other"], "no such route"),
        (["--to", "1", "--channel", "pigeon"], "no such route"),
        (["--to", "1", "--route", "spare"], "nowhere.json"),
        (["--to", "1", "--route", "main", "--lang", "fr"], "--lang"),
    ]:
        done = places.command("message", "send", *words, env=env)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_broken_file_stops_every_role_with_a_message(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "routes.json").write_text('{"routes": [{"name": "a"}]}', encoding="utf-8")
    for words in (["message", "routes"], ["serve", "--role", "sender"]):
        done = places.command(*words, env=env)
        assert done.returncode == 2
        assert "routes.0.channel" in done.stderr
        assert "Traceback" not in done.stderr
