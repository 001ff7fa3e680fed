"""Continuity."""
