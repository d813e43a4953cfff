// Graphs: what was captured from a stream, to be carried out again and again.
#include "stream.h"

using namespace driver;

API cuStreamBeginCapture_v2(Handle handle, int mode) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (mode < 0 || mode > 2) return INVALID_VALUE;
        if (stream == context.default_stream) return STREAM_CAPTURE_UNSUPPORTED;
        if (stream->capture != nullptr) return ILLEGAL_STATE;
        stream->capture = std::make_shared<Capture>();
        stream->capture->origin = stream.get();
        stream->capture->mode = mode;
        stream->capture->thread = std::this_thread::get_id();
        return SUCCESS;
    });
}

API cuStreamIsCapturing(Handle handle, int* status) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (status == nullptr) return INVALID_VALUE;
        *status = stream->capture == nullptr ? 0 : stream->capture->is_invalid ? 2 : 1;
        return SUCCESS;
    });
}

API cuStreamEndCapture(Handle handle, Handle* graph) {
    return in_context([&](Context& context) {
        std::shared_ptr<Stream> stream = stream_of(context, handle);
        if (stream == nullptr) return INVALID_HANDLE;
        if (graph == nullptr) return INVALID_VALUE;
        std::shared_ptr<Capture> capture = stream->capture;
        if (capture == nullptr) return ILLEGAL_STATE;
        if (capture->origin != stream.get()) return STREAM_CAPTURE_UNMATCHED;
        for (const auto& other : context.streams.all())
            if (other.second->capture == capture) other.second->capture = nullptr;
        *graph = nullptr;
        if (capture->is_invalid) return STREAM_CAPTURE_INVALIDATED;
        if (!capture->unjoined.empty()) return STREAM_CAPTURE_UNJOINED;
        *graph = context.graphs.add(std::make_shared<Graph>(std::move(capture->graph)));
        return SUCCESS;
    });
}

API cuGraphInstantiateWithFlags(Handle* handle, Handle graph_handle, unsigned long long) {
    return in_context([&](Context& context) {
        std::shared_ptr<Graph> graph = context.graphs.find(graph_handle);
        if (graph == nullptr) return INVALID_HANDLE;
        if (handle == nullptr) return INVALID_VALUE;
        *handle = context.graph_execs.add(std::make_shared<GraphExec>(GraphExec{graph->nodes, nullptr}));
        return SUCCESS;
    });
}

API cuGraphLaunch(Handle handle, Handle stream_handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<GraphExec> graph = context.graph_execs.find(handle);
        std::shared_ptr<Stream> stream = stream_of(context, stream_handle);
        if (graph == nullptr || stream == nullptr) return INVALID_HANDLE;
        // One launch of a graph comes after the other, in whatever stream.
        bool is_captured = stream->capture != nullptr;
        if (!is_captured && graph->last_launch != nullptr) wait_for(context, stream, graph->last_launch);
        // Its first kernel waits for all before it, whatever it was launched with.
        Result begun = enqueue(context, stream, {"a graph", [] { return SUCCESS; }, {}});
        if (begun != SUCCESS) return begun;
        for (const Operation& node : graph->nodes) {
            Result result = enqueue(context, stream, node);
            if (result != SUCCESS) return result;
        }
        if (!is_captured) graph->last_launch = record(context, stream);
        return SUCCESS;
    });
}

API cuGraphExecDestroy(Handle handle) {
    return in_context([&](Context& context) { return context.graph_execs.remove(handle) ? SUCCESS : INVALID_HANDLE; });
}

API cuGraphDestroy(Handle handle) {
    return in_context([&](Context& context) { return context.graphs.remove(handle) ? SUCCESS : INVALID_HANDLE; });
}
