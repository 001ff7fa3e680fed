"""The public status page: served live, and as a copy of plain files that stays up when the platform is down.

Both are made from one document (`continuity.status.document`), so the prober outside can go on making the copy.
"""
