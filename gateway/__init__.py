"""Tenants in, tokens out: HTTP, gRPC, harmony, fair queue. This floor is empty until the gateway is built."""
