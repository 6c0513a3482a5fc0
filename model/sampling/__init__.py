"""From logits to tokens. `parameters` and `sampled_tokens` need no torch, so this exports nothing."""
