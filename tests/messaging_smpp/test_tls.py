"""TLS: the certificate of the SMSC must be signed by who we trust, and be for the name that we call."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from messaging_smpp.raw_smsc import delivery, listening
from messaging_smpp.recorder import Recorder, scenario, session
from throughline.messaging.channels.smpp import LinkState, Outgoing
from throughline.messaging.ports import Verdict


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@scenario
async def test_a_message_and_its_receipt_over_tls(certificate: Path) -> None:
    sink = Recorder()
    trusted = {"tls": True, "tls_ca_file": certificate, "tls_server_name": "smsc.test"}
    async with listening(server_side(certificate)) as smsc, session(sink, smsc.port, **trusted) as made:
        peer = await smsc.bound()
        assert await made.wait_bound(5)
        for _ in range(20):
            sending = asyncio.create_task(made.submit(Outgoing("r", "8613800000000", "Hello")))
            peer.answer(await peer.read(), 0, b"1\0")
            assert (await sending).verdict is Verdict.ACCEPTED
        peer.deliver(delivery(b"id:1 stat:DELIVRD"))
        await peer.read()
        assert sink.receipts[0].ref == "1"
        sending = asyncio.create_task(made.submit(Outgoing("r", "8613800000000", "Hello")))
        await peer.read()
        peer.close()
        assert (await sending).verdict is Verdict.UNKNOWN
        await smsc.bound()
        assert await made.wait_bound(5)


@pytest.mark.parametrize("wrong", ["nobody we trust", "another name", "no TLS at all"])
@scenario
async def test_no_password_goes_to_a_peer_that_is_not_proved(certificate: Path, wrong: str) -> None:
    sink = Recorder()
    settings = {"tls": True, "tls_ca_file": certificate, "tls_server_name": "smsc.test"}
    if wrong == "nobody we trust":
        del settings["tls_ca_file"]
    if wrong == "another name":
        settings["tls_server_name"] = "other.test"
    context = None if wrong == "no TLS at all" else server_side(certificate)
    async with listening(context) as smsc, session(sink, smsc.port, **settings, bind_timeout_s=0.5) as made:
        await sink.saw(LinkState.REFUSED)
        if context is None:
            peer = await smsc.accept()
            assert b"secret" not in await peer.ended()
        else:
            with pytest.raises(TimeoutError):
                await smsc.accept(0.1)  # no handshake was ever finished
        assert not made.bound
