"""Pure tensor functions: no files, no processes, no clock, but for `cpu/`, which builds its C++ once."""
