"""The mailbox as a process: real SMTP by smtplib, webmail, faults, kill -9."""

from __future__ import annotations

import signal
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from lab_sms.running import PATIENCE_S, Simulator, until
from support.blocking import Blocking
from throughline.messaging.channels.smtp import SmtpMail
from throughline.messaging.ports import Outbound, Verdict

ABOVE = 20


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = Simulator("throughline.lab.mail", tmp_path_factory.mktemp("mail"), also=ABOVE)
    try:
        yield simulator.start()
    finally:
        simulator.stop()


@pytest.fixture
def post(shared: Simulator) -> Simulator:
    shared.http.delete("/control/faults")
    return shared


def _smtp(post: Simulator, timeout: float = PATIENCE_S) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", post.port + ABOVE, timeout=timeout)


def _mail(to: str, subject: str = "您有一条新消息", body: str = "您好：\n\n请登录查看。\n") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "no-reply@throughline.invalid", to, subject
    mail["Message-ID"] = f"<{to}>"
    mail.set_content(body)
    return mail


def _outbound(to: str) -> Outbound:
    return Outbound(
        client_ref="ref1",
        address=to,
        locale="en",
        text="Hello,\n",
        subject="News",
        template_code="",
        params={},
    )


def _channel(post: Simulator, timeout_s: float = 20) -> Blocking:
    return Blocking(
        SmtpMail(
            "127.0.0.1",
            post.port + ABOVE,
            sender="no-reply@throughline.invalid",
            id_host="throughline.invalid",
            starttls=False,
            timeout_s=timeout_s,
        )
    )


def test_a_mail_is_kept_and_shown(post: Simulator) -> None:
    with _smtp(post) as smtp:
        smtp.send_message(_mail("a@example.org"))
        smtp.send_message(_mail("a@example.org", "second"))
    first, second = post.messages(to="A@Example.org")
    assert first.keys() == {"id", "to", "from", "subject", "body", "message_id", "at"}
    assert (first["to"], first["from"]) == ("a@example.org", "no-reply@throughline.invalid")
    assert (first["subject"], first["message_id"]) == ("您有一条新消息", "<a@example.org>")
    assert first["body"].splitlines() == ["您好：", "", "请登录查看。"]
    assert second["subject"] == "second"
    assert post.messages(to="b@example.org") == []
    assert f'href="/messages/{first["id"]}"' in post.http.get("/").text
    assert post.http.get("/messages/999999").status_code == 404


def test_the_lock_screen_shows_the_first_100_characters(post: Simulator) -> None:
    with _smtp(post) as smtp:
        smtp.send_message(_mail("lock@example.org", "S", f"{'x' * 60}\n{'y' * 60}\n"))
    [mail] = post.messages(to="lock@example.org")
    page = post.http.get(f"/messages/{mail['id']}").text
    assert f"{'x' * 60} {'y' * 39}</section>" in page


def test_everything_is_escaped(post: Simulator) -> None:
    bad = "<script>alert(1)</script>"
    mail = _mail("x@example.org", bad, f"{bad}\n")
    mail.replace_header("From", f'"{bad}" <a@example.org>')
    with _smtp(post) as smtp:
        smtp.send_message(mail)
    [kept] = post.messages(to="x@example.org")
    for path in ("/", f"/messages/{kept['id']}"):
        page = post.http.get(path).text
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_bent_mails_are_kept_all_the_same(post: Simulator) -> None:
    raws = [
        b"",
        b"no headers at all",
        b"Subject: \xff\xfe\r\n\r\n\xff\xfe",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xe4",
        b"From: <<<@@\r\nMessage-ID: <\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x",
        b"Content-Type: text/html\r\n\r\n<p>Hi</p>",
    ]
    for raw in raws:
        with _smtp(post) as smtp:
            smtp.sendmail("s@example.org", ["bent@example.org"], raw)
    mails = post.messages(to="bent@example.org")
    assert len(mails) == len(raws)
    for mail in mails:
        assert post.http.get(f"/messages/{mail['id']}").status_code == 200


def test_bounds_of_size_and_recipients(post: Simulator) -> None:
    with _smtp(post) as smtp, pytest.raises(smtplib.SMTPResponseException) as caught:
        smtp.sendmail("s@example.org", ["big@example.org"], b"x" * (1024 * 1024 + 10))
    assert caught.value.smtp_code == 552
    with _smtp(post) as smtp:
        refused = smtp.sendmail(
            "s@example.org", [f"many{n}@example.org" for n in range(21)], b"Subject: hi\r\n\r\nx"
        )
    assert {to: code for to, (code, _) in refused.items()} == {"many20@example.org": 452}
    assert [len(post.messages(to=f"many{n}@example.org")) for n in (0, 19, 20)] == [1, 1, 0]
    assert post.messages(to="big@example.org") == []


def test_refuse_and_defer(post: Simulator) -> None:
    for fault, code, verdict in (
        ("refuse", 550, Verdict.REJECTED_FINAL),
        ("defer", 451, Verdict.REJECTED_RETRY),
    ):
        post.fault(fault, times=2)
        with _smtp(post) as smtp, pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            smtp.send_message(_mail("no@example.org"))
        assert caught.value.recipients["no@example.org"][0] == code
        assert _channel(post).submit(_outbound("no@example.org")).verdict is verdict
    assert post.messages(to="no@example.org") == []
    assert _channel(post).submit(_outbound("no@example.org")).verdict is Verdict.ACCEPTED
    [mail] = post.messages(to="no@example.org")
    assert mail["message_id"] == "<ref1@throughline.invalid>"


def test_silence_after_data_has_the_mail(post: Simulator) -> None:
    post.fault("silent_after_data")
    assert _channel(post, timeout_s=2).submit(_outbound("mute@example.org")).verdict is Verdict.UNKNOWN
    until(lambda: len(post.messages(to="mute@example.org")) == 1)
    with _smtp(post) as smtp:  # the others are served
        smtp.send_message(_mail("mute@example.org"))
    assert len(post.messages(to="mute@example.org")) == 2


def test_drop_closes_the_connection(post: Simulator) -> None:
    post.fault("drop")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        _smtp(post).send_message(_mail("drop@example.org"))
    assert post.messages(to="drop@example.org") == []
    post.fault("drop", stored=True)
    assert _channel(post).submit(_outbound("drop@example.org")).verdict is Verdict.UNKNOWN
    assert len(post.messages(to="drop@example.org")) == 1


def test_a_killed_server_has_every_mail_that_it_acknowledged(tmp_path: Path) -> None:
    post = Simulator("throughline.lab.mail", tmp_path, also=ABOVE)
    try:
        post.start()
        with _smtp(post) as smtp:
            for n in range(5):
                smtp.send_message(_mail("k@example.org", f"n{n}"))
        post.kill()
        post.start()
        assert [mail["subject"] for mail in post.messages(to="k@example.org")] == [f"n{n}" for n in range(5)]
        post.kill(signal.SIGTERM)  # and it ends when it is asked to
    finally:
        post.stop()
