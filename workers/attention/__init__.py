"""Attention workers on the network, and the stages that run their later layers."""
