"""gpt-oss in one process: configuration, checkpoints, the forward pass over a step batch, the sampler."""
