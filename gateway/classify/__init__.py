"""Classification by policy, as gpt-oss-safeguard does it: one of the declared labels, and how likely each is."""
