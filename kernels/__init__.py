"""Pure tensor functions: no files, no processes, no clock. Each file is one operation and its plain-torch meaning."""
