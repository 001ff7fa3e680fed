"""Parties: the people we lend to, where they can be reached, what they agreed to, and who looked.

Clear personal data enters through `register_person` and `add_contact_point` and leaves only through
`contact_value` and `person_facts`, which ask for a purpose, check the consent and write the access log.
Everybody else works with ids and masked values. Public verbs: `service`.
"""
