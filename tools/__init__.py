"""What keeps the repository in order: run by make, never installed, and no floor imports it."""
