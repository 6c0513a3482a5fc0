"""Experts as a service: a process hosts some experts of some layers, and computes rows for whoever asks."""
