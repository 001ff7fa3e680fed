"""The receipt as one ZIP file: proof, record, policy, promise, the verifier and how to use it."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files

from throughline.notary.service import Receipt

_README = """\
这是一份可离线验证的凭证。请在任意装有 Python 3.11 和 cryptography 的电脑上运行：
This receipt can be checked offline, on any computer with Python 3.11 and cryptography:

    python verify.py receipt.tlog-proof --record record.json --policy policy.txt --lang zh
    python verify.py receipt.tlog-proof --record record.json --policy policy.txt --lang en

policy.txt 说明信任哪个日志和哪些见证方；请尽量从独立来源核对其中的公钥。
policy.txt names the log and the witnesses that are trusted; compare its keys with an independent source.
record.json 含有您的个人信息；请勿公开。
record.json holds your personal data; do not publish it.
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one receipt, one file: no time of packing in it


def receipt_zip(receipt: Receipt) -> bytes:
    """Pack a receipt; the same receipt gives the same bytes."""
    verifier = (files("throughline.notary") / "standalone" / "verify.py").read_text(encoding="utf-8")
    contents = {
        "README.txt": _README,
        "receipt.tlog-proof": receipt.proof,
        "record.json": receipt.record,
        "policy.txt": receipt.policy,
        "promise.txt": receipt.promise,
        "verify.py": verifier,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text.encode())
    return stream.getvalue()
