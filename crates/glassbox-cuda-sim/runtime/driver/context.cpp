// The driver's state, and the primary context of its device.
#include "stream.h"

#include "../memory.h"
#include "../stacks.h"

#include <stdio.h>

namespace driver {
namespace {
bool initialized;
std::shared_ptr<Context> primary;
int references;
// The stack of contexts of each thread; what is current is its top. A context that is gone leaves its handle behind.
thread_local std::vector<Handle> current;
std::string last_report;
}  // namespace

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

static void destroy_primary() {
    size_t graphs = primary->graphs.all().size() + primary->graph_execs.all().size();
    // Once there was a fault every call fails, those that destroy too.
    if (graphs != 0 && primary->fault == SUCCESS) say("the context is destroyed, and graphs were not: " + std::to_string(graphs));
    primary.reset();
    sim::memory::release_all();
    sim::release_stacks();
}
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
    Result planned = planned_failure(__func__);
    if (planned != SUCCESS) return planned;
    // A real driver says so here, and leaves itself uninitialised.
    if (settings().devices == 0) return NO_DEVICE;
    initialized = true;
    return SUCCESS;
}

API cuDevicePrimaryCtxRetain(Handle* handle, int device) {
    return on_device(device, [&] {
        if (handle == nullptr) return INVALID_VALUE;
        if (primary == nullptr) {
            primary = std::make_shared<Context>();
            primary->handle = new_handle();
            primary->default_stream = std::make_shared<Stream>();
        }
        ++references;
        *handle = primary->handle;
        return SUCCESS;
    });
}

API cuDevicePrimaryCtxRelease_v2(int device) {
    return on_device(device, [&] {
        if (references == 0) return INVALID_CONTEXT;
        if (--references > 0) return SUCCESS;
        Result result = finish_everything(*primary);
        destroy_primary();
        return result;
    });
}

API cuCtxSetCurrent(Handle handle) {
    return when_initialized([&] {
        if (handle != nullptr && (primary == nullptr || handle != primary->handle)) return INVALID_CONTEXT;
        if (!current.empty()) current.pop_back();
        if (handle != nullptr) current.push_back(handle);
        return SUCCESS;
    });
}

API cuCtxGetCurrent(Handle* handle) {
    return when_initialized([&] {
        if (handle == nullptr) return INVALID_VALUE;
        *handle = current.empty() ? nullptr : current.back();
        return SUCCESS;
    });
}

API cuCtxPushCurrent_v2(Handle handle) {
    return when_initialized([&] {
        if (primary == nullptr || handle != primary->handle) return INVALID_CONTEXT;
        current.push_back(handle);
        return SUCCESS;
    });
}

API cuCtxPopCurrent_v2(Handle* handle) {
    return when_initialized([&] {
        if (current.empty()) return INVALID_CONTEXT;
        if (handle != nullptr) *handle = current.back();
        current.pop_back();
        return SUCCESS;
    });
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
