"""The verifier that travels: `verify.py` is one file that needs Python and `cryptography`, nothing of ours."""
