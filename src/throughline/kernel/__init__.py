"""What every room stands on: settings, time, money, the database, jobs, events, cryptography, texts."""
