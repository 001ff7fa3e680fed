"""A carrier that serves CAMARA subscription status and device reachability, with faults on command."""
