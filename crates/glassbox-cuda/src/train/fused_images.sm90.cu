// The first kernel of a training step, see fused_images.cuh, where the chip lets it start before the step ahead has ended: by
// the time that weights are final, the pixels that are not zero are listed.
#include "fused_images.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) fused_images_early(FUSED_IMAGES_PARAMETERS) { FUSED_IMAGES(true); }
