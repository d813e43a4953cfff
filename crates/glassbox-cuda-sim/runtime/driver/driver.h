// The driver's types, and its one state. The functions of the driver API are in the other files, a file a subject.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "results.h"

namespace driver {
// Handles are numbers that were never given out before, so a handle that was destroyed is never taken for another.
using Handle = void*;
Handle new_handle();

template <class T>
class Table {
   public:
    Handle add(std::shared_ptr<T> item) {
        Handle handle = new_handle();
        items[handle] = std::move(item);
        return handle;
    }
    std::shared_ptr<T> find(Handle handle) const {
        auto found = items.find(handle);
        return found == items.end() ? nullptr : found->second;
    }
    bool remove(Handle handle) { return items.erase(handle) != 0; }
    void clear() { items.clear(); }
    const std::map<Handle, std::shared_ptr<T>>& all() const { return items; }

   private:
    std::map<Handle, std::shared_ptr<T>> items;
};

struct Stream;

// One thing that a stream has to do.
struct Operation {
    std::string name;
    std::function<Result()> carry_out;
    // Device memory and pinned memory that it will touch.
    std::vector<const void*> uses;
    bool is_kernel = false;
};

// A place in a stream that others can wait for. Each recording of an event makes a new one.
struct Mark {
    bool is_done = false;
    double milliseconds = 0;  // when it was reached
    std::weak_ptr<Stream> stream;
    // While a stream is captured, its marks are places in a graph.
    bool is_captured = false;
};

struct Event {
    bool has_timing = true;
    std::shared_ptr<Mark> mark;
};

struct Graph {
    std::vector<Operation> nodes;
};

struct GraphExec {
    std::vector<Operation> nodes;
    std::shared_ptr<Mark> last_launch;
};

struct Module;
struct Function;

struct Context {
    Handle handle;
    Table<Stream> streams;
    Table<Event> events;
    Table<Module> modules;
    Table<Function> functions;
    Table<Graph> graphs;
    Table<GraphExec> graph_execs;
    // The first fault stays: from then on every call returns it.
    Result fault = SUCCESS;
    unsigned long long kernels_carried_out = 0;
    // Whether what is carried out stands right behind the kernel that was carried out last, in one stream. Only then can it
    // start before that one has ended.
    bool is_behind_kernel = false;
    const Stream* of_last_kernel = nullptr;
    std::shared_ptr<Stream> default_stream;
    // Streams that were destroyed with work left.
    std::vector<std::shared_ptr<Stream>> orphans;
};

// What the environment says; see the README.
struct Settings {
    std::string order = "forward";
    size_t memory = size_t{4} << 30;
    int driver_version = 12030, capability = 90, devices = 1;
    unsigned long long lost_after = 0;
    // The function that fails, if one does, with which result, and at which call of it, where 0 is at each.
    std::string failing;
    int failure = 0;
    unsigned long long failing_call = 0;
    // The variable that says something impossible, if one does.
    std::string mistake;
};
const Settings& settings();

// Everything below needs this lock, which every call of the API takes.
std::recursive_mutex& lock();
bool is_initialized();
bool has_device(int device);
// The context of the calling thread.
std::shared_ptr<Context> current_context();

// Says it on stderr, and keeps it for glassbox_sim_report.
void say(const std::string& text);

// What GLASSBOX_SIM_FAIL says of this call.
Result planned_failure(const char* function);

// Runs the body of an API function under the lock, after cuInit. The function is the caller by its name; what calls this
// for it passes its own caller on.
template <class Body>
Result when_initialized(Body body, const char* function = __builtin_FUNCTION()) {
    std::lock_guard<std::recursive_mutex> guard(lock());
    if (!is_initialized()) return NOT_INITIALIZED;
    Result planned = planned_failure(function);
    return planned == SUCCESS ? body() : planned;
}

// The same, for a device that there is.
template <class Body>
Result on_device(int device, Body body, const char* function = __builtin_FUNCTION()) {
    return when_initialized([&] { return has_device(device) ? body() : INVALID_DEVICE; }, function);
}

// The same, with a current context, and only while that is healthy.
template <class Body>
Result in_context(Body body, const char* function = __builtin_FUNCTION()) {
    auto in_healthy_context = [&] {
        std::shared_ptr<Context> context = current_context();
        if (context == nullptr) return INVALID_CONTEXT;
        return context->fault == SUCCESS ? body(*context) : context->fault;
    };
    return when_initialized(in_healthy_context, function);
}
}  // namespace driver

#define API extern "C" __attribute__((visibility("default"))) driver::Result
