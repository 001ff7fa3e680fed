"""One file in a form: read in memory within limits, never to a disk, under no name of the sender's.

A body that is too large is read to its end and thrown away (`http.allow_larger_body` says how far), because a
browser that is cut off in the middle shows no answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from throughline.kernel import idempotency
from throughline.kernel.errors import Invalid, TooLarge
from throughline.kernel.http import Caller, Write
from throughline.kernel.i18n import N_

MOST_FIELDS = 10
MOST_FIELD_BYTES = 16 * 1024
BESIDE_BYTES = 64 * 1024  # boundaries, headers and fields around the file


class NotAnUpload(Invalid):
    """The body is no form with one file."""

    code = "not-an-upload"
    title = N_("Please send a form (multipart/form-data) with one file in the field “file”")


class FileTooLarge(TooLarge):
    """The file is larger than what is taken here."""

    code = "file-too-large"
    title = N_(
        "The file is too large: at most %(most_mb)s MB. A smaller photo, or a photo of the screen, is enough"
    )


@dataclass(frozen=True, slots=True)
class Upload:
    """The fields of a form, trimmed, and its file. The file's name and type as sent are not kept."""

    fields: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The file's hash in hex."""
        return hashlib.sha256(self.content).hexdigest()


class _InMemory(MultiPartParser):
    spool_max_size = 0  # never to a disk, whatever its size


async def read(request: Request, most_bytes: int) -> Upload:
    """The upload of a request with a file of at most so many bytes. Raises NotAnUpload, FileTooLarge."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise NotAnUpload
    chunks = _at_most(request.stream(), most_bytes + BESIDE_BYTES, most_bytes)
    parser = _InMemory(
        request.headers, chunks, max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except (MultiPartException, UnicodeError):
        raise NotAnUpload from None
    finally:
        async for _ in chunks:
            pass  # what the parser did not want to see is thrown away as well
    fields: dict[str, str] = {}
    content: bytes | None = None
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read() if name == "file" else None
            await value.close()
        else:
            fields[name] = value.strip()
    if content is None:
        raise NotAnUpload
    if len(content) > most_bytes:
        raise _too_large(most_bytes)
    return Upload(fields, content)


def writing(request: Request, caller: Caller, key: str, upload: Upload) -> Write:
    """What `http.Writing` is for JSON: the same fields and file under the same key are one request."""
    said = [request.method, request.url.path, dict(upload.fields), upload.sha256]
    route = getattr(request.scope.get("route"), "path", request.url.path)
    return Write(
        scope=f"{caller.kind}:{caller.id}:{request.method} {route}",
        key=key,
        fingerprint=idempotency.request_hash(said),
    )


async def _at_most(
    stream: AsyncGenerator[bytes, None], limit_bytes: int, most_bytes: int
) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for chunk in stream:
        seen += len(chunk)
        if seen <= limit_bytes:
            yield chunk
    if seen > limit_bytes:
        raise _too_large(most_bytes)


def _too_large(most_bytes: int) -> FileTooLarge:
    return FileTooLarge(most_mb=most_bytes // (1024 * 1024), field="file")
