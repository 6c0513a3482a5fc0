"""Requests in, tokens out: harmony, calls, two faces, links to engines. Tenants are to come."""
