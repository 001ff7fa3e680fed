"""A credit bureau: takes members' files, answers item by item, keeps records of people, forwards their disputes.

It shares no code with `lending.bureau`; its books are the truth about what a borrower's record says.
"""
