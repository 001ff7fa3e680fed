"""A lender's book as a file: existing borrowers, loans and payments come in, and go out again."""
