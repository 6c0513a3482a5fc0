"""What the demo model learns: one file per task, each of which makes conversations."""
