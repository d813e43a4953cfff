// Kernels that start before the one queued ahead of them has ended. Here each runs to its end before the next one begins,
// but until a thread has waited the checker takes the kernel ahead to be under way: see check/access.cpp.
#include "early.h"

#include "device/early.h"
#include "scheduler.h"

namespace sim {
namespace {
bool has_anybody_waited;
}

void begin_early() { has_anybody_waited = false; }

// A kernel that has ended lets the one behind start, and that one relies on all before it: they have to be over by then.
std::optional<Report> end_early() {
    if (!launch->is_early || has_anybody_waited) return {};
    return Report{LAUNCH_FAILED, "the kernel may start early, and no thread of it waits for the one ahead", {}};
}

bool is_kernel_ahead_running() { return launch->is_early && !current->has_waited; }

void wait_for_kernel_ahead() { current->has_waited = has_anybody_waited = true; }

void let_kernel_behind_start() {
    if (!is_kernel_ahead_running()) return;
    const char* what = "the kernel behind may start, and this thread has not waited for the one ahead";
    fail({LAUNCH_FAILED, what, {{{nullptr, 0, __builtin_return_address(0)}, name_of(*current)}}});
}
}  // namespace sim
