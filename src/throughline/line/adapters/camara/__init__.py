"""CAMARA (Fall25, Commonalities 0.6): tokens, subscription status, reachability, and the carrier's callbacks."""
