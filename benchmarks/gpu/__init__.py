"""All that needs a GPU, in one call of under 8 minutes: `python -m benchmarks.gpu --json F`, or `make gpu`.

Kernels against float64 and against the bandwidth of a copy; then whole models with invented weights, each
under a hard limit of memory. It needs torch and Triton, and neither ray nor grpc. With `--quick`, or in CI,
it runs dry: tiny sizes on the CPU, in Triton's interpreter, whose times mean nothing.
"""
