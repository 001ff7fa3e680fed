"""Routes: our own connections to providers, several for a channel; their health, and which one carries a message."""
