"""Parameters of the filter learned from a lender's history, as `throughline line fit` does."""
