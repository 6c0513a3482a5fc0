"""POST /v1/classify, and the policies under /v1/policies."""
