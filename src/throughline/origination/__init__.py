"""The application: from the first screen to the money received, as rows and transitions.

An application is a row with a state; each verb takes the row, checks the state, decides, writes. So it
can be left at any step and taken up again on another device.
Verbs: `start`, `submit`, `show_costs`, `confirm_costs`, `signing_action`, `sign`, `withdraw`.
"""
