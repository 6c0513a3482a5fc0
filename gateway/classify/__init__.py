"""Classification by policy, as gpt-oss-safeguard does it: one of the labels, and how likely each one is."""
