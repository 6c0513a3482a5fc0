"""The contract between processes. Today: the error tree."""
