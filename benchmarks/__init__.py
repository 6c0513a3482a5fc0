"""Measurements against peers and limits; `python -m benchmarks.NAME [--quick] --json F` runs one."""
