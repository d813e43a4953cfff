// The first kernel of a training step, see fused_images.cuh.
#include "fused_images.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) fused_images(FUSED_IMAGES_PARAMETERS) { FUSED_IMAGES(false); }
