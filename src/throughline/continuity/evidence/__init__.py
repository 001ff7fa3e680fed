"""Evidence that borrowers hand in: taken, sealed, looked at by a person, answered, and gone when it has served."""
