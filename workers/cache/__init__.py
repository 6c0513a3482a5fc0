"""The KV cache as one worker keeps it: pages that sequences share, found again by what they hold."""
