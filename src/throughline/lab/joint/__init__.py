"""The carrier's desk for joint plans: sponsored data by CAMARA's file, and orders by the contract with the lender."""
