"""Loans: products, schedules, accounts, allocation, variations, delinquency, close of business.

Schedule, balances, delinquency and entries are a pure function of a loan's terms, its dated events and
a date (`replay`); what is stored of them is a cache. A protection that is learned of late is one more
event and a replay, and the books get the difference, today.
Verbs (`service`): `open_loan`, `record_event`, `apply_variations`, `end_variations`, `revoke_variations`,
`loan_view`, `loans_of`, `installments_due`, `report_view`, `report_standing`, `place_report_hold`,
`lift_report_hold`, `business_date`.
"""
