"""Small programs that show the product at work; each runs with `python -m examples.NAME`."""
