"""Messaging: reaches the person over channels that still work, never a stranger, and never twice without need.

A caller asks for an intent ("tell this borrower this, by then"). The in-app inbox is written at once; the
steps over SMS and e-mail are planned in order, sent from rows that were committed before the first byte,
and an end that nobody knows is a state of its own.
Verbs: `request`, `release_held`, `inbox`, `mark_read`, `unread`, `intents`, `intent_story`, `held_steps`.
"""
