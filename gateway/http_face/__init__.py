"""The HTTP face: what OpenAI's clients send, on starlette's routing and uvicorn's protocol (docs/http.md)."""
