"""Tenants in, tokens out: HTTP, gRPC, harmony, fair queue. Empty until the gateway is built."""
