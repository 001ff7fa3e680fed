"""Passwords of staff: Argon2id, with a bound on how many are hashed at once."""

from __future__ import annotations

import os
import threading
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARS = 12
MAX_CHARS = 128
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# 19 MiB each: a flood of sign-ins must wait here rather than eat the memory.
_TURNS = threading.BoundedSemaphore(2 * (os.cpu_count() or 1))


def hashed(password: str) -> str:
    """The Argon2id hash of a password. ValueError if it is shorter than 12 or longer than 128 characters."""
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise ValueError(f"a password has {MIN_CHARS} to {MAX_CHARS} characters")
    with _TURNS:
        return _HASHER.hash(password)


def fits(password_hash: str | None, password: str) -> bool:
    """Whether the password belongs to the hash. Without a hash the same work is done and the answer is no."""
    with _TURNS:
        try:
            _HASHER.verify(password_hash or _dummy(), password[:MAX_CHARS])
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None and len(password) <= MAX_CHARS


@lru_cache(maxsize=1)
def _dummy() -> str:
    return _HASHER.hash("nobody has this password")
