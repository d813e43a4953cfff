// Who has told whom, through fences and atomic operations on one place.
#include "fences.h"

#include "../scheduler.h"

#include <unordered_map>
#include <vector>

namespace sim::checker {
namespace {
// A block told of all that its thread did before `time`, and that its other threads did before `barrier`.
struct Release {
    uint32_t who, time, barrier;
};
struct Counter {
    std::vector<Release> releases;
    bool has_changes_without_fence = false;
};
std::unordered_map<const Cell*, Counter> counters;

// A thread of the running block was told what had been told until then.
struct Acquisition {
    const Counter* counter;
    size_t releases;
    unsigned thread;
    uint32_t time;
};
std::vector<Acquisition> acquisitions;
bool has_fenced;

bool is_mine(const Acquisition& acquisition, uint32_t last_barrier) {
    return acquisition.thread == current->number || acquisition.time < last_barrier;
}
}  // namespace

void fences_at_launch() { counters.clear(); }

void fences_at_block() {
    acquisitions.clear();
    has_fenced = false;
}

void note_fence() { has_fenced = true; }

void exchange_at(const Cell& cell, uint32_t block_bits, uint32_t& now, uint32_t last_barrier) {
    // Without fences nobody relies on counters, and nothing need be kept.
    if (!has_fenced && counters.empty()) return;
    Counter& counter = counters[&cell];
    if (!counter.releases.empty()) acquisitions.push_back({&counter, counter.releases.size(), current->number, now});
    ++now;
    if (has_fenced)
        counter.releases.push_back({block_bits + current->number, now, last_barrier});
    else
        counter.has_changes_without_fence = true;
}

bool is_known(const Accesses& other, uint32_t last_barrier) {
    for (const Acquisition& acquisition : acquisitions) {
        if (!is_mine(acquisition, last_barrier)) continue;
        for (size_t i = 0; i < acquisition.releases; ++i) {
            const Release& release = acquisition.counter->releases[i];
            if (release.who >> 10 != other.who >> 10) continue;
            if (other.time < release.barrier || (release.who == other.who && other.time < release.time)) return true;
        }
    }
    return false;
}

bool is_known(const Cell& cell, uint32_t last_barrier) {
    for (const Acquisition& acquisition : acquisitions) {
        auto counter = counters.find(&cell);
        if (counter == counters.end() || acquisition.counter != &counter->second) continue;
        // My own change came after what I was told.
        bool is_all = acquisition.releases + 1 >= counter->second.releases.size();
        if (is_all && !counter->second.has_changes_without_fence && is_mine(acquisition, last_barrier)) return true;
    }
    return false;
}
}  // namespace sim::checker

namespace sim {
void fence() { checker::note_fence(); }
}  // namespace sim
