"""The borrower's phone line: evidence, a Bayesian filter, and a belief with a probability and a reason.

The belief at any instant is a pure function of the set of signals received so far: order and repeats
change nothing. Silence ages a belief but accuses nobody. Verbs of `service`: `ingest`, `lines_of`,
`timeline`; the carriers are spoken to in `adapters`.
"""
