#!/usr/bin/env bash
# Says at the end of `make check` what was not checked, and why.
set -euo pipefail
cd "$(dirname "$0")/.."
cat target/skips/* 2>/dev/null || true
if [ -z "${GLASSBOX_DATA:-}" ]; then
    echo "the tests on real MNIST were SKIPPED: GLASSBOX_DATA is not set (hint: GLASSBOX_DATA=DIR make check)"
fi
if ! target/release/glassbox doctor | grep -q 'avx512'; then
    echo "the AVX-512 kernels were NOT RUN: this processor lacks them"
fi
