"""The GSM 7-bit default alphabet with its extension table (3GPP TS 23.038, section 6.2.1), one septet a byte.

SMSCs expect septets unpacked over SMPP and pack them themselves.
"""

from __future__ import annotations

ESCAPE = 0x1B
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
_CODES: dict[str, bytes] = {
    **{char: bytes([code]) for code, char in enumerate(_BASIC) if code != ESCAPE},
    **{char: bytes([ESCAPE, code]) for code, char in _EXTENSION.items()},
}


def septets(text: str) -> list[bytes] | None:
    """The septets of each character, two where it stands in the extension table; None if one is in neither."""
    found = [_CODES.get(char) for char in text]
    return None if None in found else [code for code in found if code is not None]


def decode(data: bytes) -> str:
    """The text of unpacked septets. A byte that is no septet becomes U+FFFD; an escape that means nothing, nothing,
    and the septet behind it is read from the basic table, as the standard has it."""
    chars: list[str] = []
    escaped = False
    for code in data:
        if code == ESCAPE and not escaped:
            escaped = True
            continue
        if escaped and code in _EXTENSION:
            chars.append(_EXTENSION[code])
        elif code == ESCAPE:
            chars.append(" ")  # reserved for another table, shown as a space
        else:
            chars.append(_BASIC[code] if code < len(_BASIC) else "�")
        escaped = False
    return "".join(chars)
