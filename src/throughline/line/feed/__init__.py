"""What is stored and done around the feeds: questions, subscriptions, callbacks, raw answers, health."""
