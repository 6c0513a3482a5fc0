"""Pure tensor functions: no files, no processes, no clock. A file is one operation in plain torch."""
