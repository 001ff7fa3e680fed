"""May this person borrow, how much, at what price, and why: knock-out rules, a scorecard, tables, reasons.

Every decision is replayed bit for bit from its stored snapshot. The state of a phone line is no input:
a stopped line says nothing about willingness to pay. Verbs: `decide`, `replay`.
"""
