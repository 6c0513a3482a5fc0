"""The gateway's way to engines: in this process, or at attention workers any of which may be lost."""
