"""The Outage Lab: what a policy of outages gives and costs, on made-up borrowers over months.

`population` makes lives and knows nothing of what judges them; `beliefs` asks the real filter and planner of lines,
`cases` the real policy of continuity; `run.run` plays an ordinary lender and ours on the same random numbers.
"""
