"""Calls: requests that the gateway has taken, from acceptance to their one end, whoever reads them."""
