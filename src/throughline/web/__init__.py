"""The faces of the platform: the JSON API put together, the borrower's pages, the staff console, health.

Pages are rendered on the server, work without JavaScript where they can, and carry no third-party code.
"""
