"""A bank that takes pain.001 orders and answers pain.002 and camt.054, with faults on command."""
