"""Responses: answers as lists of items, kept for a while, which a later request may go on from."""
