"""Shards: the engine, attention workers, expert workers. Empty until the engine is built."""
