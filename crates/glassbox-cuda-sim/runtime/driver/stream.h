// Streams: queues of work that is carried out when somebody waits for it, and not before.
#pragma once
#include "driver.h"

#include <deque>
#include <set>
#include <thread>

namespace driver {
// What is being captured, from one stream and those that joined it through events.
struct Capture {
    Graph graph;
    Stream* origin;
    std::set<Stream*> unjoined;
    // 0 forbids what could disturb it to all threads, 1 only to the one that began it, 2 to none.
    int mode;
    std::thread::id thread;
    bool is_invalid = false;
};

struct Stream : std::enable_shared_from_this<Stream> {
    std::deque<Operation> queue;
    std::shared_ptr<Capture> capture;
    // Whether the last thing that was carried out was a kernel.
    bool has_done_kernel = false;
    // Waits for the default stream, and is waited for by it.
    bool is_blocking = true;
};

// The stream of a handle, where null is the default stream; null if there is none of that handle.
std::shared_ptr<Stream> stream_of(Context& context, Handle handle);

// The default stream and the others wait for each other, unless they asked not to.
void order_with_default_stream(Context& context, const std::shared_ptr<Stream>& stream);

// Puts the work into the stream's queue, or into the graph that is being captured.
Result enqueue(Context& context, const std::shared_ptr<Stream>& stream, Operation operation);
// Carries out the first thing in the stream's queue.
Result step(Context& context, Stream& stream);
Result finish(Context& context, Stream& stream);
Result finish(Context& context, const std::shared_ptr<Mark>& mark);
Result finish_everything(Context& context);
std::shared_ptr<Mark> record(Context& context, const std::shared_ptr<Stream>& stream);
Result wait_for(Context& context, const std::shared_ptr<Stream>& stream, const std::shared_ptr<Mark>& mark);

// Whether calls are forbidden now because somebody captures; makes the capture invalid.
bool disturbs_a_capture(Context& context);
// The pending operation that will touch this memory, or null.
const Operation* pending_use(Context& context, const void* begin, size_t bytes);
}  // namespace driver
