"""A sender process that a test may kill: the product's own loop over its queues."""

from __future__ import annotations

from throughline.kernel import worker

if __name__ == "__main__":
    worker.run(["messages"], concurrency=2)
