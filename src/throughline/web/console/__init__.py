"""The console: what staff read and the few things they press, server-rendered, personal data masked everywhere."""
