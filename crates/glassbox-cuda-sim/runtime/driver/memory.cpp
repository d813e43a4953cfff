// Memory: allocation, copies and fills.
#include "stream.h"

#include "../checker.h"
#include "../memory.h"

#include <string.h>

namespace driver {
namespace {
using Address = unsigned long long;

char* pointer(Address address) { return reinterpret_cast<char*>(address); }

bool is_inside(const void* place, size_t bytes) {
    sim::memory::Block block = sim::memory::find(place);
    const char* p = static_cast<const char*>(place);
    return block.begin != nullptr && bytes <= block.bytes - static_cast<size_t>(p - block.begin);
}

Result fault(const std::string& what) {
    say(what);
    return ILLEGAL_ADDRESS;
}

// The range has to be alive when the work is carried out, too.
bool check(const char* what, const void* place, size_t bytes) {
    if (is_inside(place, bytes)) return true;
    say(std::string(what) + ": " + std::to_string(bytes) + " bytes that are in no live allocation");
    return false;
}

Result copy(const char* what, char* to, const char* from, size_t bytes, bool to_device, bool from_device) {
    if ((to_device && !check(what, to, bytes)) || (from_device && !check(what, from, bytes))) return ILLEGAL_ADDRESS;
    if (from_device && !to_device && sim::checker::count_written(from, bytes) < bytes) {
        size_t good = sim::checker::count_written(from, bytes);
        return fault(std::string(what) + ": copies memory that nobody wrote to the host, from byte " + std::to_string(good) +
                     " of " + std::to_string(bytes));
    }
    memmove(to, from, bytes);
    if (to_device && from_device) sim::checker::copied(to, from, bytes);
    if (to_device && !from_device) sim::checker::written(to, bytes);
    return SUCCESS;
}

template <class T>
Result fill(const char* name, Handle handle, Address address, T value, size_t count,
            const char* function = __builtin_FUNCTION()) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        char* place = pointer(address);
        size_t bytes = count * sizeof(T);
        if (count == 0) return SUCCESS;
        if (address % sizeof(T) != 0 || !is_inside(place, bytes)) return INVALID_VALUE;
        auto carry_out = [=] {
            if (!check(name, place, bytes)) return ILLEGAL_ADDRESS;
            for (size_t i = 0; i < count; ++i) memcpy(place + i * sizeof(T), &value, sizeof(T));
            sim::checker::written(place, bytes);
            return SUCCESS;
        };
        return enqueue(context, stream, {name, carry_out, {place}});
    }, function);
}

Result allocate_host(void** place, size_t bytes, const char* function = __builtin_FUNCTION()) {
    return in_context([&](Context& context) {
        if (disturbs_a_capture(context)) return STREAM_CAPTURE_UNSUPPORTED;
        if (place == nullptr || bytes == 0) return INVALID_VALUE;
        *place = sim::memory::allocate_pinned(bytes);
        return *place == nullptr ? OUT_OF_MEMORY : SUCCESS;
    }, function);
}

// Freeing what work in a queue will touch is a fault of the host program, whatever happens later.
Result release(Context& context, void* begin, bool is_pinned) {
    if (disturbs_a_capture(context)) return STREAM_CAPTURE_UNSUPPORTED;
    sim::memory::Block block = sim::memory::find(begin);
    if (block.begin != begin || sim::memory::is_pinned(begin) != is_pinned) return INVALID_VALUE;
    if (const Operation* pending = pending_use(context, begin, block.bytes)) {
        say("memory of " + std::to_string(block.bytes) + " bytes is freed while work on it is pending: " + pending->name);
        return context.fault = ILLEGAL_ADDRESS;
    }
    sim::memory::release(begin);
    return SUCCESS;
}
}  // namespace
}  // namespace driver

using namespace driver;

API cuMemGetInfo_v2(size_t* available, size_t* total) {
    return in_context([&](Context&) {
        if (available == nullptr || total == nullptr) return INVALID_VALUE;
        *total = settings().memory;
        *available = *total - sim::memory::bytes_in_use();
        return SUCCESS;
    });
}

// What a place is, as far as it is modelled. A place that is in no allocation has no kind of memory.
API cuPointerGetAttributes(unsigned count, const int* which, void** values, Address address) {
    return in_context([&](Context&) {
        if (count == 0 || which == nullptr || values == nullptr) return INVALID_VALUE;
        sim::memory::Block block = sim::memory::find(pointer(address));
        bool is_known = block.begin != nullptr;
        for (unsigned i = 0; i < count; ++i) {
            switch (which[i]) {
                // 1 is memory of the host, 2 of a device.
                case 2: *static_cast<unsigned*>(values[i]) = !is_known ? 0 : sim::memory::is_pinned(block.begin) ? 1 : 2; break;
                case 9: *static_cast<int*>(values[i]) = is_known ? 0 : -2; break;
                case 11: *static_cast<Address*>(values[i]) = reinterpret_cast<Address>(block.begin); break;
                case 12: *static_cast<size_t*>(values[i]) = block.bytes; break;
                default: return INVALID_VALUE;
            }
        }
        return SUCCESS;
    });
}

API cuMemAlloc_v2(Address* address, size_t bytes) {
    return in_context([&](Context& context) {
        if (disturbs_a_capture(context)) return STREAM_CAPTURE_UNSUPPORTED;
        if (address == nullptr || bytes == 0) return INVALID_VALUE;
        if (bytes > settings().memory - sim::memory::bytes_in_use()) return OUT_OF_MEMORY;
        char* place = sim::memory::allocate(bytes);
        *address = reinterpret_cast<Address>(place);
        return place == nullptr ? OUT_OF_MEMORY : SUCCESS;
    });
}

API cuMemFree_v2(Address address) {
    return in_context([&](Context& context) {
        return address == 0 ? SUCCESS : release(context, pointer(address), false);
    });
}

API cuMemAllocHost_v2(void** place, size_t bytes) { return allocate_host(place, bytes); }
API cuMemHostAlloc(void** place, size_t bytes, unsigned) { return allocate_host(place, bytes); }
API cuMemFreeHost(void* place) {
    return in_context([&](Context& context) { return release(context, place, true); });
}

// From ordinary memory of the host a copy is taken at once, as CUDA does; from pinned memory the device reads when the
// stream comes to it, and so does a graph each time it is launched.
API cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (bytes == 0) return SUCCESS;
        if (from == nullptr || !is_inside(pointer(to), bytes)) return INVALID_VALUE;
        const char* name = "a copy to the device";
        char* place = pointer(to);
        const char* source = static_cast<const char*>(from);
        if (sim::memory::is_pinned(from) || stream->capture != nullptr)
            return enqueue(context, stream, {name, [=] { return copy(name, place, source, bytes, true, false); }, {place, from}});
        auto staged = std::make_shared<std::vector<char>>(source, source + bytes);
        return enqueue(context, stream, {name, [=] { return copy(name, place, staged->data(), bytes, true, false); }, {place}});
    });
}

API cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (bytes == 0) return SUCCESS;
        if (to == nullptr || !is_inside(pointer(from), bytes)) return INVALID_VALUE;
        const char* name = "a copy to the host";
        char* target = static_cast<char*>(to);
        const char* place = pointer(from);
        return enqueue(context, stream, {name, [=] { return copy(name, target, place, bytes, false, true); }, {place, to}});
    });
}

API cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (bytes == 0) return SUCCESS;
        if (!is_inside(pointer(to), bytes) || !is_inside(pointer(from), bytes)) return INVALID_VALUE;
        const char* name = "a copy on the device";
        char *target = pointer(to), *place = pointer(from);
        return enqueue(context, stream, {name, [=] { return copy(name, target, place, bytes, true, true); }, {target, place}});
    });
}

API cuMemsetD8Async(Address to, unsigned char value, size_t count, Handle stream) {
    return fill("a fill of bytes", stream, to, value, count);
}
API cuMemsetD32Async(Address to, unsigned value, size_t count, Handle stream) {
    return fill("a fill of words", stream, to, value, count);
}
