"""Chat: turns in, typed deltas out, with harmony between."""
