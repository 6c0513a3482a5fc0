"""The top floor, which knows every other one. Today: the command line."""
