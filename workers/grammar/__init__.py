"""Constrained decoding: which tokens a grammar allows next. `spec` needs no library: no exports."""
