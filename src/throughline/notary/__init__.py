"""Notary."""
