"""Recorded evidence replayed through the filter and the planner, as `throughline line replay` does."""
