// The driver's version, and its one device: a small GPU of the capability that the environment names.
#include "driver.h"

#include <stdio.h>

namespace driver {
bool has_device(int device) { return device >= 0 && device < settings().devices; }

namespace {
// The numbers of CUdevice_attribute, and what a small GPU of this capability would answer.
int attribute(int which) {
    int capability = settings().capability;
    bool is_turing = capability < 80, is_hopper = capability >= 90;
    switch (which) {
        case 1: return 1024;            // threads in a block
        case 2: case 3: return 1024;    // its width and height
        case 4: return 64;              // its depth
        case 5: return 2147483647;      // blocks of a grid
        case 6: case 7: return 65535;
        case 8: return 49152;           // shared memory of a block
        case 9: return 65536;           // constant memory
        case 10: return 32;             // warp size
        case 11: return 2147483647;     // pitch
        case 12: return 65536;          // registers of a block
        case 13: return 1000000;        // clock, kHz
        case 14: return 512;            // alignment of textures
        case 15: case 31: return 1;     // copies beside kernels; kernels beside kernels
        case 16: return 2;              // multiprocessors
        case 36: return 1000000;        // clock of the memory, kHz
        case 37: return 128;            // width of its bus
        case 38: return 4 << 20;        // level-2 cache
        case 39: return is_turing ? 1024 : 2048;  // threads of a multiprocessor
        case 40: return 1;              // copy engines
        case 41: return 1;              // one address space with the host
        case 75: return capability / 10;
        case 76: return capability % 10;
        case 81: return (is_turing ? 64 : is_hopper ? 228 : 164) << 10;  // shared memory of a multiprocessor
        case 82: return 65536;          // its registers
        case 97: return (is_turing ? 64 : is_hopper ? 227 : 163) << 10;  // shared memory that a block may ask for
        case 106: return is_turing ? 16 : 32;     // blocks of a multiprocessor
        default: return 0;
    }
}
}  // namespace
}  // namespace driver

using namespace driver;

API cuDriverGetVersion(int* version) {
    if (version == nullptr) return INVALID_VALUE;
    if (!settings().mistake.empty()) return UNKNOWN;
    *version = settings().driver_version;
    return SUCCESS;
}

API cuDeviceGetCount(int* count) {
    return when_initialized([&] {
        if (count == nullptr) return INVALID_VALUE;
        *count = settings().devices;
        return SUCCESS;
    });
}

API cuDeviceGet(int* device, int ordinal) {
    return when_initialized([&] {
        if (device == nullptr) return INVALID_VALUE;
        if (!has_device(ordinal)) return INVALID_DEVICE;
        *device = ordinal;
        return SUCCESS;
    });
}

API cuDeviceGetName(char* name, int length, int device) {
    return on_device(device, [&] {
        if (name == nullptr || length <= 0) return INVALID_VALUE;
        snprintf(name, static_cast<size_t>(length), "Glassbox simulated GPU (CPU)");
        return SUCCESS;
    });
}

API cuDeviceGetPCIBusId(char* text, int length, int device) {
    return on_device(device, [&] {
        if (text == nullptr || length < 13) return INVALID_VALUE;
        snprintf(text, static_cast<size_t>(length), "0000:00:00.0");
        return SUCCESS;
    });
}

API cuDeviceTotalMem_v2(size_t* bytes, int device) {
    return on_device(device, [&] {
        if (bytes == nullptr) return INVALID_VALUE;
        *bytes = settings().memory;
        return SUCCESS;
    });
}

API cuDeviceGetAttribute(int* value, int which, int device) {
    return on_device(device, [&] {
        if (value == nullptr || which <= 0) return INVALID_VALUE;
        *value = attribute(which);
        return SUCCESS;
    });
}
