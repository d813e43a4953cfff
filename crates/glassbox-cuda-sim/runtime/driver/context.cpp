// The driver's state, its one device, and the primary context.
#include "stream.h"

#include "../memory.h"
#include "../stacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

namespace driver {
namespace {
bool initialized;
std::shared_ptr<Context> primary;
int references;
// The stack of contexts of each thread; what is current is its top. A context that is gone leaves its handle behind.
thread_local std::vector<Handle> current;
std::string last_report;

template <class T>
void read_number(const char* variable, T& value, std::string& mistake) {
    const char* text = getenv(variable);
    if (text == nullptr || *text == 0) return;
    char* end;
    value = static_cast<T>(strtoull(text, &end, 10));
    if (*end != 0) mistake = std::string(variable) + "=" + text + " is no number";
}

bool is_order(const std::string& order) {
    bool is_shuffled = order.compare(0, 9, "shuffled:") == 0 && order.size() > 9 &&
                       order.find_first_not_of("0123456789", 9) == std::string::npos;
    return order == "forward" || order == "backward" || is_shuffled;
}

Settings read_settings() {
    Settings found;
    read_number("GLASSBOX_SIM_MEMORY", found.memory, found.mistake);
    read_number("GLASSBOX_SIM_DRIVER", found.driver_version, found.mistake);
    read_number("GLASSBOX_SIM_CAPABILITY", found.capability, found.mistake);
    read_number("GLASSBOX_SIM_DEVICES", found.devices, found.mistake);
    read_number("GLASSBOX_SIM_LOST_AFTER", found.lost_after, found.mistake);
    const char* order = getenv("GLASSBOX_SIM_ORDER");
    if (order != nullptr && *order != 0) found.order = order;
    if (!is_order(found.order)) found.mistake = "GLASSBOX_SIM_ORDER is forward, backward or shuffled:NUMBER";
    if (found.devices > 1) found.mistake = "GLASSBOX_SIM_DEVICES is 0 or 1";
    found.memory = std::min(found.memory, sim::memory::ARENA_BYTES / 2);
    return found;
}
}  // namespace

const Settings& settings() {
    static const Settings settings = read_settings();
    return settings;
}

std::recursive_mutex& lock() {
    static auto* mutex = new std::recursive_mutex;
    return *mutex;
}

Handle new_handle() {
    static uintptr_t last = 0x5eed0000;
    return reinterpret_cast<Handle>(last += 16);
}

bool is_initialized() { return initialized; }

std::shared_ptr<Context> current_context() {
    bool is_alive = primary != nullptr && !current.empty() && current.back() == primary->handle;
    return is_alive ? primary : nullptr;
}

void say(const std::string& text) {
    last_report = text;
    fprintf(stderr, "glassbox-cuda-sim: %s\n", text.c_str());
}

namespace {
void destroy_primary() {
    primary.reset();
    sim::memory::release_all();
    sim::release_stacks();
}

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

bool has_device(int device) { return device >= 0 && device < settings().devices; }
}  // namespace
}  // namespace driver

using namespace driver;
using Guard = std::lock_guard<std::recursive_mutex>;

API cuInit(unsigned flags) {
    Guard guard(lock());
    if (flags != 0) return INVALID_VALUE;
    if (!settings().mistake.empty()) {
        say(settings().mistake);
        return UNKNOWN;
    }
    // A real driver says so here, and leaves itself uninitialised.
    if (settings().devices == 0) return NO_DEVICE;
    initialized = true;
    return SUCCESS;
}

API cuDriverGetVersion(int* version) {
    if (version == nullptr) return INVALID_VALUE;
    *version = settings().driver_version;
    return SUCCESS;
}

API cuDeviceGetCount(int* count) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (count == nullptr) return INVALID_VALUE;
    *count = settings().devices;
    return SUCCESS;
}

API cuDeviceGet(int* device, int ordinal) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (device == nullptr) return INVALID_VALUE;
    if (!has_device(ordinal)) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

API cuDeviceGetName(char* name, int length, int device) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (!has_device(device)) return INVALID_DEVICE;
    if (name == nullptr || length <= 0) return INVALID_VALUE;
    snprintf(name, static_cast<size_t>(length), "Glassbox simulated GPU (CPU)");
    return SUCCESS;
}

API cuDeviceGetPCIBusId(char* text, int length, int device) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (!has_device(device)) return INVALID_DEVICE;
    if (text == nullptr || length < 13) return INVALID_VALUE;
    snprintf(text, static_cast<size_t>(length), "0000:00:00.0");
    return SUCCESS;
}

API cuDeviceTotalMem_v2(size_t* bytes, int device) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (!has_device(device)) return INVALID_DEVICE;
    if (bytes == nullptr) return INVALID_VALUE;
    *bytes = settings().memory;
    return SUCCESS;
}

API cuDeviceGetAttribute(int* value, int which, int device) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (!has_device(device)) return INVALID_DEVICE;
    if (value == nullptr || which <= 0) return INVALID_VALUE;
    *value = attribute(which);
    return SUCCESS;
}

API cuDevicePrimaryCtxRetain(Handle* handle, int device) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (!has_device(device)) return INVALID_DEVICE;
    if (handle == nullptr) return INVALID_VALUE;
    if (primary == nullptr) {
        primary = std::make_shared<Context>();
        primary->handle = new_handle();
        primary->default_stream = std::make_shared<Stream>();
    }
    ++references;
    *handle = primary->handle;
    return SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(int device) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (!has_device(device)) return INVALID_DEVICE;
    if (references == 0) return INVALID_CONTEXT;
    if (--references > 0) return SUCCESS;
    Result result = finish_everything(*primary);
    destroy_primary();
    return result;
}

API cuCtxSetCurrent(Handle handle) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (handle != nullptr && (primary == nullptr || handle != primary->handle)) return INVALID_CONTEXT;
    if (!current.empty()) current.pop_back();
    if (handle != nullptr) current.push_back(handle);
    return SUCCESS;
}

API cuCtxGetCurrent(Handle* handle) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (handle == nullptr) return INVALID_VALUE;
    *handle = current.empty() ? nullptr : current.back();
    return SUCCESS;
}

API cuCtxPushCurrent_v2(Handle handle) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (primary == nullptr || handle != primary->handle) return INVALID_CONTEXT;
    current.push_back(handle);
    return SUCCESS;
}

API cuCtxPopCurrent_v2(Handle* handle) {
    Guard guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    if (current.empty()) return INVALID_CONTEXT;
    if (handle != nullptr) *handle = current.back();
    current.pop_back();
    return SUCCESS;
}

API cuCtxSynchronize() {
    return in_context([](Context& context) {
        return disturbs_a_capture(context) ? STREAM_CAPTURE_UNSUPPORTED : finish_everything(context);
    });
}

API cuProfilerStart() {
    return in_context([](Context&) { return SUCCESS; });
}
API cuProfilerStop() {
    return in_context([](Context&) { return SUCCESS; });
}

// Ours, not CUDA's: the last report, so that a test can look at it.
extern "C" __attribute__((visibility("default"))) const char* glassbox_sim_report() {
    Guard guard(lock());
    return last_report.c_str();
}
