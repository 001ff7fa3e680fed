"""What every room stands on: settings, time, money, the database, jobs, events, cryptography, texts.

The kernel knows nothing of lending. Each module has one subject and can be read by itself.
"""
