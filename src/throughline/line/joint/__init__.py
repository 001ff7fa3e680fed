"""Joint service plans: what a carrier and the lender agreed to give a borrower so that the line or its data lives on.

Offers are dated data, who may have one is a pure decision (`eligibility`), and every grant is an order: its row
stands before the carrier is called, its end is tracked, and an outcome that nobody knows stays *unknown* until the
carrier is asked. Verbs: `orders.request`, `orders.ask_revoke`; what loans must be known comes in as an argument.
"""
