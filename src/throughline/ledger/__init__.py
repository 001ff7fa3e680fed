"""The books: journal entries by double entry, and the trial balance.

An entry is written once, is balanced for its currency, and is never changed; a correction is another
entry. Entries are found again by a key, so that posting twice is posting once. No running balance is
kept: an account's balance is the sum of its lines, of closed days by their summaries.
Verbs: `post_entry`, `post_new_entries`, `entries`, `trial_balance`, `loan_balances`, `close_day`, `sum_up_day`,
`day_sums`, `lock_period`, `unlock_period`.
"""
