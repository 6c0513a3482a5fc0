"""The attention worker: an engine on the network, and the messages that its clients speak with it."""
