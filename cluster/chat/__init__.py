"""The terminal client of `expertmesh chat`. It speaks the OpenAI API, with the standard library alone."""
