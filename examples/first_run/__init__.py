"""What `make run` shows: a server is begun, asked three questions, and stays until Ctrl-C."""
