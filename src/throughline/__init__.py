"""Throughline (不断线): consumer lending that keeps serving a borrower whose phone line has stopped."""

__version__ = "0.1.0"
