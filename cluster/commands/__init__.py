"""One file a sub-command: `add_to` declares its arguments, `run` imports what the work needs and does it."""
