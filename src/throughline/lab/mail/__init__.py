"""A mail server with a webmail page: real SMTP in, plain text out, faults on command."""
