//! The operations: kernels and their launchers, a family a file.
