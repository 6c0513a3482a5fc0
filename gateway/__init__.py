"""Tenants in, tokens out: HTTP, gRPC, harmony, fair queue. Today: harmony, and its links to engines."""
