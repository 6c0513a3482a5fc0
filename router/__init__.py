"""The token router: placement, dispatch plan, exchange, combine. Empty until the mesh is built."""
