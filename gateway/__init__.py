"""Tenants in, tokens out: HTTP, gRPC, harmony, fair queue. Today: its links to engines."""
