"""Rules as dated rows: which are in force on a day, whether an act meets them, and why.

The evaluator is pure; `service.check` asks a gate, stores what it was measured against with the hashes
of the rows, the facts and the verdict, and so can be replayed years later. Annual rates live here too,
because a rate without the name of its convention is no rate.
"""
