"""Drills: a failure injected into the running sandbox, what it does to borrowers measured, and always mended again."""
