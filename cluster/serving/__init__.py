"""A gateway with its engines, as commands run it: in single mode, beside a mesh, alone."""
