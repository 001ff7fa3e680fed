"""The credit-record guard: what leaves for the credit bureau about a loan, and what does not.

Every month each loan is reported as it stands by protected figures. Something negative leaves only with all of
(a) to (e) of the precondition (`guard`), asked in the transaction that queues it and again in the one that sends
it. What changes afterwards is corrected, first of all and followed to the bureau's answer. Verbs stand in `service`.
"""
