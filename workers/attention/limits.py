"""Limits that both ends of an AttentionService stream keep to."""

MAX_MESSAGE_BYTES = 64 << 20
"""A prompt of the longest context with twenty log-probabilities a token comes back in half of it."""
