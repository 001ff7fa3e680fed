"""Identity: who a borrower or a member of staff is, proved by factors that live off the phone line.

Passkeys, code apps and saved recovery codes; sessions on the server; step-up that is bound to the
hash of one action; the table of what each action needs in each state of the line. A phone number is
an address here, never a factor. Public verbs: `service`; the table: `policy`.
"""
