"""Money out to borrowers and in from them, over rails of other companies.

An order is moved by attempts; each attempt has a reference that is stored before the call and an
outcome that may be *unknown* until a query or a statement tells. Public verbs: `accounts.add_payee_account`,
`service.order_payout`, `service.order_collection`, `service.order_view`, `service.close`. The package does
not know loans: `lending` orders and reacts to the events of `events.py`.
"""
