"""The sender: takes attempts whose time has come, hands them to the routes, records what came of it."""
