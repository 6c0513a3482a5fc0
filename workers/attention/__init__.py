"""The attention worker: an engine on the network, what it says to gateways, and the stages behind it."""
