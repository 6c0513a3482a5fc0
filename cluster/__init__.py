"""The top floor: it knows every other one. Today the command line; later the plan, placement and supervision."""
