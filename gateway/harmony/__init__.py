"""The harmony format: conversations into tokens, tokens into typed deltas, the grammar of an answer."""
