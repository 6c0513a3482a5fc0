"""The experts' kernels for a CPU: C++ here, built when first needed, called through ctypes."""
