"""The kernels for GPUs in Triton. Each file: formula, layouts, bytes; the body; its launch; what calls it.

The public functions in `kernels/` import a file from here when they meet a tensor on a GPU and not before, so
a machine without Triton runs everything else. Their plain torch forms there are what these are tested
against.
"""
