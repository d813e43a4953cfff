// The second kernel of a training step, see fused_update.cuh.
#include "fused_update.cuh"

extern "C" __global__ void __launch_bounds__(UPDATE_THREADS, 1) fused_update(FUSED_UPDATE_PARAMETERS) { FUSED_UPDATE(false); }
