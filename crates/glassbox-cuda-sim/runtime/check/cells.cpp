// The rules for races, and the clock that they rest on.
#include "cells.h"

#include "../scheduler.h"
#include "fences.h"

#include <string.h>

namespace sim::checker {
namespace {
uint32_t block_bits;       // the running block * 1024
uint32_t now, last_barrier;

// known[a][b]: what lane b did before this time, lane a may rely on.
struct WarpClocks {
    bool is_used;
    uint32_t known[32][32];
};
WarpClocks warps[32];

bool is_alone(uint32_t lanes) { return (lanes & (lanes - 1)) == 0; }

bool is_before_me(const Accesses& others, bool many_warps, bool many_blocks) {
    if (others.who == NOBODY) return true;
    uint32_t me = block_bits + current->number;
    if (many_blocks) return false;
    if (others.who >> 10 != me >> 10) return !many_warps && is_alone(others.lanes) && is_known(others, last_barrier);
    if (others.time < last_barrier) return true;
    if (many_warps || others.who >> 5 != me >> 5) return false;
    const uint32_t* known = warps[current->warp].known[current->lane];
    for (uint32_t lanes = others.lanes & ~(1u << current->lane); lanes != 0; lanes &= lanes - 1)
        if (known[__builtin_ctz(lanes)] <= others.time) return false;
    return true;
}

// Adds me to those that did the same, and forgets those that came before me for sure.
void note(Accesses& others, bool& many_warps, bool& many_blocks, uint32_t code) {
    uint32_t me = block_bits + current->number, lanes = 1u << current->lane;
    if (is_before_me(others, many_warps, many_blocks)) {
        many_warps = many_blocks = false;
    } else if (others.who >> 10 != me >> 10) {
        many_blocks = true;
    } else if (many_warps || others.who >> 5 != me >> 5) {
        many_warps = true;
    } else {
        const uint32_t* known = warps[current->warp].known[current->lane];
        for (uint32_t left = others.lanes & ~lanes; left != 0; left &= left - 1)
            if (known[__builtin_ctz(left)] <= others.time) lanes |= left & -left;
    }
    others = {me, now, lanes, code};
}
}  // namespace

const Accesses* touch(Cell& cell, uint32_t stamp, Kind kind, uint32_t code) {
    if (cell.stamp != stamp) {
        bool is_next = cell.stamp + 1 == stamp;
        bool was_written = is_next && cell.writes.who != NOBODY, was_read = is_next && cell.reads.who != NOBODY;
        cell = {};
        cell.stamp = stamp;
        cell.was_written = was_written, cell.was_read = was_read;
        cell.writes.who = cell.reads.who = NOBODY;
    }
    bool both_atomic = kind == ATOMIC && cell.writes_are_atomic;
    if (!both_atomic && !is_before_me(cell.writes, cell.many_writing_warps, cell.many_writing_blocks) &&
        !(cell.writes_are_atomic && is_known(cell, last_barrier)))
        return &cell.writes;
    if (kind == READ) {
        note(cell.reads, cell.many_reading_warps, cell.many_reading_blocks, code);
        return nullptr;
    }
    if (!is_before_me(cell.reads, cell.many_reading_warps, cell.many_reading_blocks)) return &cell.reads;
    if (!both_atomic) {
        cell.writes.who = NOBODY;
        cell.many_writing_warps = cell.many_writing_blocks = false;
    }
    cell.writes_are_atomic = kind == ATOMIC;
    note(cell.writes, cell.many_writing_warps, cell.many_writing_blocks, code);
    return nullptr;
}

const char* conflict_with_launch_ahead(const Cell& cell, uint32_t stamp, Kind kind) {
    bool is_its_own = cell.stamp + 1 == stamp, is_mine = cell.stamp == stamp;
    if (is_its_own ? cell.writes.who != NOBODY : is_mine && cell.was_written) return "writes";
    bool is_read = is_its_own ? cell.reads.who != NOBODY : is_mine && cell.was_read;
    return is_read && kind != READ ? "reads" : nullptr;
}

void clocks_at_block(unsigned long long block) {
    block_bits = static_cast<uint32_t>(block << 10);
    now = last_barrier = 1;
    for (WarpClocks& warp : warps)
        if (warp.is_used) memset(&warp, 0, sizeof warp);
    fences_at_block();
}

void clocks_at_exchange(const Cell& cell) { exchange_at(cell, block_bits, now, last_barrier); }
void clocks_at_barrier() { last_barrier = ++now; }

void clocks_at_warp_barrier(unsigned number, unsigned lanes) {
    WarpClocks& warp = warps[number];
    warp.is_used = true;
    ++now;
    // What one of them knew, all of them know now.
    uint32_t together[32] = {};
    for (unsigned lane = 0; lane < 32; ++lane)
        for (unsigned other = 0; (lanes >> lane & 1) != 0 && other < 32; ++other)
            if (together[other] < warp.known[lane][other]) together[other] = warp.known[lane][other];
    for (unsigned lane = 0; lane < 32; ++lane) {
        if ((lanes >> lane & 1) == 0) continue;
        memcpy(warp.known[lane], together, sizeof together);
        for (unsigned other = 0; other < 32; ++other)
            if ((lanes >> other & 1) != 0) warp.known[lane][other] = now;
    }
}
}  // namespace sim::checker
