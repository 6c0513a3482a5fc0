"""The token router: placement, dispatch plan, exchange, combine. This floor is empty until the mesh is built."""
