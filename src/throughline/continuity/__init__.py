"""What the borrower gets when the line is gone: outage episodes, protection cases, and their timeline.

An episode is opened by what `line` believes, never by silence alone. A protection case is one act on
one loan: it pauses delinquency, penalty and negative reports (and interest, by product) for as long as
the outage lasts, says why in both languages, and ends by rule when the line returns.
Verbs: `open_episode`, `close_episode`, `protect`, `end_case`, `timeline`.
"""
