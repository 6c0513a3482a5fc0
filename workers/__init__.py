"""Shards: the engine and its cache on attention workers; expert workers are still to come."""
