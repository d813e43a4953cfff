// The second kernel of a training step, see fused_update.cuh, where the chip lets it start before the first has ended: by the
// time that gradients are there, the weights and the pixels that are not zero are in place.
#include "fused_update.cuh"

extern "C" __global__ void __launch_bounds__(UPDATE_THREADS, 1) fused_update_early(FUSED_UPDATE_PARAMETERS) { FUSED_UPDATE(true); }
