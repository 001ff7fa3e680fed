"""The borrower's pages: register, get a way in that needs no line, apply, sign, repay, read, prove."""
