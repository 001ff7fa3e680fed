"""What is agreed: the cost table, the contract as exact bytes in two languages, and its signature.

The borrower reads the costs for a forced time that the server measures, then signs the hash of the
contract's bytes with a factor of their own. Everything shown and agreed is committed to the notary.
Verbs: `create_cost_table`, `show_cost_table`, `confirm_cost_table`, `draft_contract`, `sign_contract`.
"""
