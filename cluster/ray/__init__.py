"""Ray: gives the mesh its processes, restarts and places them. Never on the token path."""
