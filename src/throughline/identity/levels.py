"""Assurance levels of a session or a proof, from least to most."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """P public; A1 one bound factor; A2 two factors or a passkey with user verification; A2_PLUS
    phishing-resistant, at most 5 minutes old and bound to the action; RP the person was proofed again.
    """

    P = 0
    A1 = 1
    A2 = 2
    A2_PLUS = 3
    RP = 4

    @property
    def label(self) -> str:
        """The name in the policy table, in rows and on the wire."""
        return "A2+" if self is Level.A2_PLUS else self.name

    @staticmethod
    def of(label: str) -> Level:
        """The level with that label. KeyError if there is none."""
        return Level["A2_PLUS" if label == "A2+" else label]


LABELS = frozenset(level.label for level in Level)
