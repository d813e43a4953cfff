// Events: places in streams that others wait for, and times.
#include "stream.h"

using namespace driver;

API cuEventCreate(Handle* handle, unsigned flags) {
    return in_context([&](Context& context) {
        // 1 blocking sync, 2 no timing, 4 for other processes.
        if (handle == nullptr || flags > 7) return INVALID_VALUE;
        auto event = std::make_shared<Event>();
        event->has_timing = (flags & 2) == 0;
        *handle = context.events.add(event);
        return SUCCESS;
    });
}

API cuEventDestroy_v2(Handle handle) {
    return in_context([&](Context& context) { return context.events.remove(handle) ? SUCCESS : INVALID_HANDLE; });
}

API cuEventRecord(Handle event_handle, Handle stream_handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, stream_handle);
        std::shared_ptr<Event> event = context.events.find(event_handle);
        if (stream == nullptr || event == nullptr) return INVALID_HANDLE;
        if (stream->capture == nullptr) order_with_default_stream(context, stream);
        event->mark = record(context, stream);
        return SUCCESS;
    });
}

API cuEventSynchronize(Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Event> event = context.events.find(handle);
        if (event == nullptr) return INVALID_HANDLE;
        if (event->mark == nullptr) return SUCCESS;
        return event->mark->is_captured ? CAPTURED_EVENT : finish(context, event->mark);
    });
}

API cuEventQuery(Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Event> event = context.events.find(handle);
        if (event == nullptr) return INVALID_HANDLE;
        if (event->mark == nullptr || event->mark->is_done) return SUCCESS;
        if (event->mark->is_captured) return CAPTURED_EVENT;
        std::shared_ptr<Stream> stream = event->mark->stream.lock();
        if (stream == nullptr || stream->queue.empty()) return SUCCESS;
        Result result = step(context, *stream);
        return result == SUCCESS ? NOT_READY : result;
    });
}

API cuEventElapsedTime(float* milliseconds, Handle start, Handle end) {
    return in_context([&](Context& context) {
        std::shared_ptr<Event> first = context.events.find(start), last = context.events.find(end);
        if (first == nullptr || last == nullptr) return INVALID_HANDLE;
        if (milliseconds == nullptr) return INVALID_VALUE;
        for (const Event* event : {first.get(), last.get()})
            if (!event->has_timing || event->mark == nullptr) return INVALID_HANDLE;
        if (!first->mark->is_done || !last->mark->is_done) return NOT_READY;
        *milliseconds = static_cast<float>(last->mark->milliseconds - first->mark->milliseconds);
        return SUCCESS;
    });
}
