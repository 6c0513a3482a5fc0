"""Offline batches: a file of requests in, a file of results out, to be resumed wherever it was cut."""
