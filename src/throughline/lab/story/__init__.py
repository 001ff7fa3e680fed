"""Stories: scenarios that are played against a running platform, through its public interfaces only."""
