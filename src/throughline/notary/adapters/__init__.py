"""Other parties' systems that the notary speaks to."""
