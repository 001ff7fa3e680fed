"""A sender process that a test may kill: the product's own role."""

from __future__ import annotations

from throughline.cli.roles import RoleName, play

if __name__ == "__main__":
    play(RoleName.SENDER)
