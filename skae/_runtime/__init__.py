"""The machine: devices, threads of BLAS, Ctrl-C."""
