"""Borrowers, their lines, phones, habits and honesty: the truth, and what a lender could hear of it.

Shares no code and no number with `line`, `continuity` or `lending` (a test holds that): only the vocabulary of
docs/batch-commands.md, in which evidence is told. Times are seconds from `START`, a local midnight.
"""
