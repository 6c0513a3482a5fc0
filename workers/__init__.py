"""Shards: the engine, attention workers, expert workers. This floor is empty until the engine is built."""
