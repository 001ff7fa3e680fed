"""The process of the foreign SMSC, and the lines by which it is told what to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

PEER = Path(__file__).parent / "peer"
WITHIN_S = 20.0
MAX_LINE_BYTES = 64 * 1024 * 1024


def node() -> str:
    """The path of node, which is called nodejs in some places; empty when there is none."""
    return shutil.which("node") or shutil.which("nodejs") or ""


def missing() -> str:
    """What is missing for the peer to run; empty when it can."""
    if not node():
        return "there is no node"
    if not (PEER / "node_modules" / "smpp").is_dir():
        return "its package is not installed (`make setup-dev` does)"
    return ""


class NodeSmsc:
    """An SMSC that runs."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process

    async def set(self, **mode: Any) -> None:
        """Change its mode."""
        await self._do(set=mode)

    async def kill_links(self) -> None:
        """Break every connection."""
        await self._do(kill=True)

    async def deliver(self, **fields: Any) -> None:
        """Send a deliver_sm to whoever is bound."""
        await self._do(deliver=fields)

    async def report(self) -> dict[str, Any]:
        """What it has seen."""
        return await self._do(report=True)

    def freeze(self) -> None:
        """Stop the process: connections stay up and nothing answers."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    async def _do(self, **command: Any) -> dict[str, Any]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(WITHIN_S):
            answer: dict[str, Any] = json.loads(await process.stdout.readline())
        return answer


@contextlib.asynccontextmanager
async def running(program: str, *arguments: str) -> AsyncIterator[NodeSmsc]:
    """An SMSC on a free port of loopback; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        program,
        str(PEER / "smsc.js"),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            port = json.loads(await process.stdout.readline())["port"]
        yield NodeSmsc(process, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()
