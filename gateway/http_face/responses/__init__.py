"""OpenAI's Responses API on the wire: bodies, answers, events, endpoints (docs/responses.md)."""
