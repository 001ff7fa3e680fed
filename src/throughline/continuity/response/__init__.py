"""Responses to incidents: a playbook (应急预案) as data, its checklist with proof, an action log, clocks, a report.

Verbs: `service.start`, `service.done`, `service.publish`, `service.close` and those beside them.
"""
