"""A made-up population of phone lines, to judge what is believed of them. Shares nothing with `line`."""
