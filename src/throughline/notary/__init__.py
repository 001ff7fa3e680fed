"""The notary: proof that a borrower can use against us.

An RFC 6962 Merkle log inside PostgreSQL that speaks the C2SP formats (signed note, checkpoint, tiles,
witness, proof, policy). `service.commit` puts a fact into the log in the business transaction;
`receipts.receipt` hands out a proof that anybody checks offline; `sequencer.run_sequencer` grows the
log; `witnessing` collects the cosignatures of other parties. The formats (`encoding`, `merkle`, `tiles`,
`note`, `checkpoint`, `proof`, `policy`) import nothing of ours but each other.
"""
