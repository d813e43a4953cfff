// Streams and events.
#include "stream.h"

#include "../memory.h"

#include <time.h>

namespace driver {
namespace {
double milliseconds_now() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

Operation marking(const std::shared_ptr<Mark>& mark) {
    return {"an event", [mark] {
                mark->is_done = true;
                mark->milliseconds = milliseconds_now();
                return SUCCESS;
            }, {}};
}
}  // namespace

void order_with_default_stream(Context& context, const std::shared_ptr<Stream>& stream) {
    auto waits_for = [&](const std::shared_ptr<Stream>& other) {
        if (other->queue.empty() || other->capture != nullptr) return;
        wait_for(context, stream, record(context, other));
    };
    if (stream != context.default_stream) {
        if (stream->is_blocking) waits_for(context.default_stream);
        return;
    }
    for (const auto& other : context.streams.all())
        if (other.second->is_blocking) waits_for(other.second);
}

std::shared_ptr<Stream> stream_of(Context& context, Handle handle) {
    // 1 and 2 are CU_STREAM_LEGACY and CU_STREAM_PER_THREAD. Each thread makes the latter when it first asks for it.
    if (handle == reinterpret_cast<Handle>(2)) {
        thread_local Handle of_thread;
        if (context.streams.find(of_thread) == nullptr) of_thread = context.streams.add(std::make_shared<Stream>());
        return context.streams.find(of_thread);
    }
    bool is_default = handle == nullptr || handle == reinterpret_cast<Handle>(1);
    return is_default ? context.default_stream : context.streams.find(handle);
}

Result enqueue(Context& context, const std::shared_ptr<Stream>& stream, Operation operation) {
    if (stream->capture != nullptr) {
        if (stream->capture->is_invalid) return STREAM_CAPTURE_INVALIDATED;
        stream->capture->graph.nodes.push_back(std::move(operation));
        if (stream.get() != stream->capture->origin) stream->capture->unjoined.insert(stream.get());
        return SUCCESS;
    }
    order_with_default_stream(context, stream);
    stream->queue.push_back(std::move(operation));
    return SUCCESS;
}

// A graph remembers addresses, and what was there when it was captured may be gone.
static Result carry_out(const Operation& operation) {
    for (const void* use : operation.uses) {
        size_t offset = static_cast<size_t>(static_cast<const char*>(use) - sim::memory::arena);
        if (offset >= sim::memory::ARENA_BYTES || sim::memory::find(use).begin != nullptr) continue;
        say(operation.name + ": its memory has been freed");
        return ILLEGAL_ADDRESS;
    }
    return operation.carry_out();
}

Result step(Context& context, Stream& stream) {
    if (context.fault != SUCCESS) return context.fault;
    Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    context.is_behind_kernel = stream.has_done_kernel && context.of_last_kernel == &stream;
    Result result = carry_out(operation);
    stream.has_done_kernel = operation.is_kernel;
    if (operation.is_kernel) context.of_last_kernel = &stream;
    if (result != SUCCESS) context.fault = result;
    return result;
}

Result finish(Context& context, Stream& stream) {
    while (!stream.queue.empty()) {
        Result result = step(context, stream);
        if (result != SUCCESS) return result;
    }
    return context.fault;
}

Result finish(Context& context, const std::shared_ptr<Mark>& mark) {
    std::shared_ptr<Stream> stream = mark->stream.lock();
    while (!mark->is_done && stream != nullptr && !stream->queue.empty()) {
        Result result = step(context, *stream);
        if (result != SUCCESS) return result;
    }
    return context.fault;
}

Result finish_everything(Context& context) {
    Result result = finish(context, *context.default_stream);
    for (const auto& stream : context.streams.all())
        if (result == SUCCESS && stream.second->capture == nullptr) result = finish(context, *stream.second);
    for (const auto& stream : context.orphans)
        if (result == SUCCESS) result = finish(context, *stream);
    context.orphans.clear();
    return result;
}

std::shared_ptr<Mark> record(Context&, const std::shared_ptr<Stream>& stream) {
    auto mark = std::make_shared<Mark>();
    mark->stream = stream;
    mark->is_captured = stream->capture != nullptr;
    if (!mark->is_captured) stream->queue.push_back(marking(mark));
    return mark;
}

Result wait_for(Context& context, const std::shared_ptr<Stream>& stream, const std::shared_ptr<Mark>& mark) {
    if (mark->is_captured) {
        // The stream joins the capture, or the one that captures is joined again.
        std::shared_ptr<Stream> other = mark->stream.lock();
        if (other == nullptr || other->capture == nullptr) return INVALID_VALUE;
        if (stream->capture == nullptr) stream->capture = other->capture;
        stream->capture->unjoined.erase(other.get());
        if (stream.get() != stream->capture->origin) stream->capture->unjoined.insert(stream.get());
        return SUCCESS;
    }
    if (stream->capture != nullptr) return STREAM_CAPTURE_UNSUPPORTED;
    Context* owner = &context;
    stream->queue.push_back({"a wait for an event", [owner, mark] { return finish(*owner, mark); }, {}});
    return SUCCESS;
}

bool disturbs_a_capture(Context& context) {
    bool is_disturbed = false;
    for (const auto& stream : context.streams.all()) {
        Capture* capture = stream.second->capture.get();
        if (capture == nullptr || capture->mode == 2) continue;
        if (capture->mode == 1 && capture->thread != std::this_thread::get_id()) continue;
        capture->is_invalid = is_disturbed = true;
    }
    return is_disturbed;
}

static const Operation* use_in(const std::deque<Operation>& queue, const char* begin, size_t bytes) {
    for (const Operation& operation : queue)
        for (const void* use : operation.uses)
            if (static_cast<size_t>(static_cast<const char*>(use) - begin) < bytes) return &operation;
    return nullptr;
}

const Operation* pending_use(Context& context, const void* begin, size_t bytes) {
    const char* place = static_cast<const char*>(begin);
    const Operation* found = use_in(context.default_stream->queue, place, bytes);
    for (const auto& stream : context.streams.all())
        if (found == nullptr) found = use_in(stream.second->queue, place, bytes);
    for (const auto& stream : context.orphans)
        if (found == nullptr) found = use_in(stream->queue, place, bytes);
    return found;
}
}  // namespace driver

using namespace driver;

API cuStreamCreate(Handle* handle, unsigned flags) {
    return in_context([&](Context& context) {
        if (handle == nullptr || flags > 1) return INVALID_VALUE;
        auto stream = std::make_shared<Stream>();
        stream->is_blocking = flags == 0;
        *handle = context.streams.add(stream);
        return SUCCESS;
    });
}

// Work that is left is still carried out.
API cuStreamDestroy_v2(Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = context.streams.find(handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (!stream->queue.empty()) context.orphans.push_back(stream);
        context.streams.remove(handle);
        return SUCCESS;
    });
}

API cuStreamSynchronize(Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (stream->capture != nullptr) {
            stream->capture->is_invalid = true;
            return STREAM_CAPTURE_UNSUPPORTED;
        }
        return finish(context, *stream);
    });
}

// Asking moves the stream on by one piece of work, so that asking again and again comes to an end.
API cuStreamQuery(Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (stream->capture != nullptr) {
            stream->capture->is_invalid = true;
            return STREAM_CAPTURE_UNSUPPORTED;
        }
        if (stream->queue.empty()) return SUCCESS;
        Result result = step(context, *stream);
        return result == SUCCESS ? NOT_READY : result;
    });
}

API cuStreamWaitEvent(Handle stream_handle, Handle event_handle, unsigned) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, stream_handle);
        std::shared_ptr<Event> event = context.events.find(event_handle);
        if (stream == nullptr || event == nullptr) return INVALID_HANDLE;
        return event->mark == nullptr ? SUCCESS : wait_for(context, stream, event->mark);
    });
}
