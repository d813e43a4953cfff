// Runs blocks one after another, the threads of a block as fibers that take turns whenever they have to wait.
#include "scheduler.h"

#include "checker.h"
#include "copies.h"
#include "early.h"
#include "stacks.h"
#include "warps.h"

#include <string.h>
#include <time.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace sim {
Kernel* kernels;
Thread* current;
const Launch* launch;
uint3 block_position;

namespace {
std::vector<Thread> threads;
std::vector<unsigned> turns;  // the order in which threads get their turn
size_t turn;
unsigned waiting, left;  // how many threads are at the barrier, and how many have left the kernel
Thread *first_waiting, *first_left;
unsigned votes, decided_votes;
std::optional<Report> report;
Fiber host;
std::mt19937 random_numbers;
alignas(128) char dynamic_bytes[MOST_DYNAMIC_SHARED];

// The next thread in turn that can run, or none.
Thread* next_ready() {
    for (size_t i = 0; i < turns.size(); ++i) {
        if (++turn >= turns.size()) turn = 0;
        Thread& thread = threads[turns[turn]];
        if (thread.state == State::READY) return &thread;
    }
    return nullptr;
}

void give_turn() {
    Thread* next = report ? nullptr : next_ready();
    Thread* me = current;
    if (next == me) return;
    if (next == nullptr) return switch_fiber(*me, host);
    current = next;
    switch_fiber(*me, *next);
}

[[noreturn]] void fail_at_barrier(const char* what, const Thread& one, const std::string& rest, const Thread& other) {
    fail({LAUNCH_FAILED, what, {{one.place, name_of(one) + " waits here for the whole block"},
                                {other.place, name_of(other) + rest}}});
}

void leave() {
    current->state = State::DONE;
    current->place = {};
    if (left++ == 0) first_left = current;
    if (waiting > 0) fail_at_barrier("divergent barrier", *first_waiting, " has left the kernel", *current);
    leave_warp();
}

void thread_main() {
    launch->kernel->call(launch->arguments);
    leave();
    give_turn();
    __builtin_trap();
}

void open_barrier() {
    for (Thread& thread : threads) thread.state = State::READY;
    waiting = 0;
    decided_votes = votes;
    votes = 0;
    checker::block_barrier();
    if (launch->order == Order::SHUFFLED) std::shuffle(turns.begin(), turns.end(), random_numbers);
}

// Unwritten shared memory is full of NaN.
void clear_shared_memory() {
    const Kernel& kernel = *launch->kernel;
    if (kernel.shared_begin != nullptr)
        memset(kernel.shared_begin, 0xff, static_cast<size_t>(kernel.shared_end - kernel.shared_begin));
    memset(dynamic_bytes, 0xff, launch->dynamic_bytes);
}

void place_threads() {
    dim3 size = launch->block;
    for (unsigned i = 0; i < threads.size(); ++i) {
        Thread& thread = threads[i];
        thread.index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
        thread.number = i;
        thread.lane = i % 32;
        thread.warp = i / 32;
        thread.state = State::READY;
        thread.has_waited = false;
        thread.place = {};
        prepare(thread, thread.stack_begin, static_cast<size_t>(thread.stack_end - thread.stack_begin), thread_main);
    }
}

// Nobody can run and not everybody has left: the threads that wait for others of their warp wait for ever.
void report_deadlock() {
    auto waits = [](const Thread& thread) { return thread.state == State::AT_WARP; };
    const Thread& stuck = *std::find_if(threads.begin(), threads.end(), waits);
    char what[160];
    snprintf(what, sizeof what, "%s waits here for the lanes of mask %08x", name_of(stuck).c_str(), stuck.mask);
    Report found{LAUNCH_FAILED, "a warp waits for lanes that never come", {{stuck.place, what}}};
    unsigned absent = stuck.mask & live_lanes(stuck.warp);
    for (unsigned lane = 0; lane < 32; ++lane) {
        if ((absent >> lane & 1) == 0) continue;
        const Thread& other = threads[stuck.warp * 32 + lane];
        bool is_elsewhere = other.place.line != stuck.place.line || other.mask != stuck.mask;
        if (!is_elsewhere && other.state == State::AT_WARP) continue;
        snprintf(what, sizeof what, "%s waits here instead", name_of(other).c_str());
        found.lines.push_back({other.place, what});
        break;
    }
    report = std::move(found);
}

void run_block(uint3 position) {
    block_position = position;
    waiting = left = votes = 0;
    clear_shared_memory();
    place_threads();
    forget_warps();
    forget_copies(static_cast<unsigned>(threads.size()));
    checker::begin_block();
    std::iota(turns.begin(), turns.end(), 0u);
    if (launch->order == Order::BACKWARD) std::reverse(turns.begin(), turns.end());
    if (launch->order == Order::SHUFFLED) std::shuffle(turns.begin(), turns.end(), random_numbers);
    turn = turns.size() - 1;
    current = next_ready();
    switch_fiber(host, *current);
    current = nullptr;
    if (!report && left < threads.size()) report_deadlock();
}

void prepare_threads() {
    dim3 size = launch->block;
    threads.resize(size.x * size.y * size.z);
    turns.resize(threads.size());
    for (unsigned i = 0; i < threads.size(); ++i) {
        Stack stack = stack_of(i);
        threads[i].stack_begin = stack.begin;
        threads[i].stack_end = stack.end;
    }
}
}  // namespace

std::optional<Report> run(const Launch& asked) {
    launch = &asked;
    report.reset();
    random_numbers.seed(asked.seed);
    prepare_threads();
    checker::begin_launch();
    begin_early();
    unsigned long long blocks = 1ull * asked.grid.x * asked.grid.y * asked.grid.z;
    std::vector<unsigned> order;
    if (asked.order == Order::SHUFFLED) {
        order.resize(blocks);
        std::iota(order.begin(), order.end(), 0u);
        std::shuffle(order.begin(), order.end(), random_numbers);
    }
    for (unsigned long long i = 0; i < blocks && !report; ++i) {
        unsigned long long b = asked.order == Order::BACKWARD ? blocks - 1 - i : order.empty() ? i : order[i];
        run_block({static_cast<unsigned>(b % asked.grid.x), static_cast<unsigned>(b / asked.grid.x % asked.grid.y),
                   static_cast<unsigned>(b / asked.grid.x / asked.grid.y)});
    }
    checker::end_launch();
    if (!report) report = end_early();
    launch = nullptr;
    return std::move(report);
}

void fail(Report found) {
    report = std::move(found);
    switch_fiber(*current, host);
    __builtin_trap();
}

void wait_as(State state) {
    current->state = state;
    give_turn();
}

void block_barrier(const char* file, int line) {
    Thread& me = *current;
    me.place = {file, line, nullptr};
    if (left > 0) fail_at_barrier("divergent barrier", me, " has left the kernel", *first_left);
    if (waiting++ == 0) first_waiting = &me;
    const Place& other = first_waiting->place;
    if (other.line != line || other.file != file)
        fail_at_barrier("two different barriers", *first_waiting, " waits here instead", me);
    me.state = State::AT_BARRIER;
    if (waiting == threads.size()) open_barrier();
    give_turn();
}

int block_barrier_count(bool predicate, const char* file, int line) {
    votes += predicate;
    block_barrier(file, line);
    return static_cast<int>(decided_votes);
}

uint3 thread_index() { return current->index; }
uint3 block_index() { return block_position; }
dim3 block_size() { return launch->block; }
dim3 grid_size() { return launch->grid; }
void* dynamic_shared() { return dynamic_bytes; }
char* dynamic_memory() { return dynamic_bytes; }

void trap(const char* what, const char* file, int line) {
    fail({ASSERT, what, {{{file, line, nullptr}, name_of(*current)}}});
}

unsigned long long ticks() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<unsigned long long>(now.tv_sec) * 1000000000ull + static_cast<unsigned long long>(now.tv_nsec);
}

static std::string name_of(uint3 block, uint3 index) {
    char text[120];
    snprintf(text, sizeof text, "thread (%u,%u,%u) of block (%u,%u,%u)", index.x, index.y, index.z, block.x, block.y,
             block.z);
    return text;
}

std::string name_of(const Thread& thread) { return name_of(block_position, thread.index); }

std::string name_of(unsigned long long b, unsigned t) {
    dim3 grid = launch->grid, size = launch->block;
    uint3 block = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                   static_cast<unsigned>(b / grid.x / grid.y)};
    return name_of(block, {t % size.x, t / size.x % size.y, t / (size.x * size.y)});
}

unsigned threads_in_block() { return static_cast<unsigned>(threads.size()); }
Thread& thread(unsigned number) { return threads[number]; }
}  // namespace sim
