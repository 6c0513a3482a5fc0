"""Plain generation: a prompt of text or tokens, and what follows it."""
