"""Pulls checkpoints from the model hub. `manifest` needs no huggingface_hub, so this exports nothing."""
