"""One module for each outside rail, behind the port of `payments.ports`; with its signatures and messages."""
