// The device side of CUDA C++ for a CPU: with this file included first, the unchanged text of a .cu file is C++17.
//
// What a kernel may use stands in device/, a file a subject. What happens when a thread has to wait stands in the
// runtime: scheduler.cpp runs one fiber for each CUDA thread.
#pragma once
#define GLASSBOX_SIM 1

#include "device/types.h"
#include "device/threads.h"
#include "device/warp.h"
#include "device/atomics.h"
#include "device/early.h"
#include "device/math.h"
#include "device/tensor_cores.h"
#include "device/kernel.h"
#include "device/keywords.h"
