// The running block: its threads, who waits for whom, and the ways in which that can be wrong.
#pragma once
#include "device/kernel.h"
#include "device/threads.h"
#include "fiber.h"
#include "report.h"

#include <optional>

namespace sim {
struct Meeting;
enum class State : unsigned char { READY, AT_BARRIER, AT_WARP, DONE };

// One CUDA thread.
struct Thread : Fiber {
    uint3 index;
    unsigned number, lane, warp;
    State state;
    // For the kernel queued ahead.
    bool has_waited;
    // Where it waits, if it does.
    Place place;
    // At a meeting of its warp: which lanes it waits for, and what is done when they are there.
    unsigned mask;
    void (*work)(Meeting&);
    char *stack_begin, *stack_end;
};

enum class Order { FORWARD, BACKWARD, SHUFFLED };

struct Launch {
    const Kernel* kernel;
    dim3 grid, block;
    unsigned dynamic_bytes;
    void** arguments;
    Order order;
    unsigned seed;
    // Starts before the launch ahead has ended.
    bool is_early;
};

// Runs the kernel to its end, or to its first fault.
std::optional<Report> run(const Launch& launch);

// For the runtime's own functions that a kernel calls.
extern Thread* current;
extern const Launch* launch;
extern uint3 block_position;
// Whether the launch ahead has not ended, as far as the running thread knows.
bool is_kernel_ahead_running();
std::string name_of(const Thread& thread);
// The same for a thread that is only known by number.
std::string name_of(unsigned long long block, unsigned thread);
// The kernel ends here, with this report.
[[noreturn]] void fail(Report report);
// Stops the running thread until somebody makes it READY.
void wait_as(State state);
unsigned threads_in_block();
Thread& thread(unsigned number);

constexpr size_t MOST_DYNAMIC_SHARED = 227 * 1024;
char* dynamic_memory();
}  // namespace sim
