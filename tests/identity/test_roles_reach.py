"""Every scope that an endpoint asks for is one that a role gives: else nobody could ever use it."""

from __future__ import annotations

import re
from pathlib import Path

import throughline
from throughline.identity.roles import SCOPES

_ASKED = re.compile(r'require_scope\("([a-z_:]+)"\)')


def test_every_scope_that_is_asked_for_is_given_by_a_role() -> None:
    sources = Path(throughline.__path__[0]).rglob("*.py")
    asked = {scope for source in sources for scope in _ASKED.findall(source.read_text(encoding="utf-8"))}
    assert asked
    assert asked - SCOPES == set()
