// Meetings of the lanes of a warp, and what is made of them: the barrier of the warp, shuffles and votes.
#include "warps.h"

#include "checker.h"
#include "device/warp.h"

#include <stdio.h>

namespace sim {
namespace {
struct Warp {
    unsigned live;
    std::vector<Meeting> open;
};
std::vector<Warp> warps;

bool is_complete(const Meeting& meeting, const Warp& warp) {
    return (meeting.arrived & warp.live) == (meeting.mask & warp.live);
}

void finish(Warp& warp, size_t which, unsigned first, void (*work)(Meeting&)) {
    Meeting meeting = warp.open[which];
    warp.open.erase(warp.open.begin() + static_cast<long>(which));
    work(meeting);
    for (unsigned lane = 0; lane < 32; ++lane)
        if (meeting.has(lane)) thread(first + lane).state = State::READY;
}

Meeting& meeting_at(Warp& warp, unsigned mask, const Place& place) {
    for (Meeting& meeting : warp.open)
        if (meeting.mask == mask && meeting.place.line == place.line && meeting.place.file == place.file) return meeting;
    warp.open.push_back({mask, 0, place, {}});
    return warp.open.back();
}
}  // namespace

void meet(unsigned mask, void* contribution, void (*work)(Meeting&), const char* file, int line) {
    Thread& me = *current;
    Warp& warp = warps[me.warp];
    me.place = {file, line, nullptr};
    if ((mask >> me.lane & 1) == 0) {
        char what[120];
        snprintf(what, sizeof what, "%s is lane %u, which mask %08x does not name", name_of(me).c_str(), me.lane, mask);
        fail({LAUNCH_FAILED, "a lane is not in its own mask", {{me.place, what}}});
    }
    me.mask = mask;
    me.work = work;
    Meeting& meeting = meeting_at(warp, mask, me.place);
    meeting.arrived |= 1u << me.lane;
    meeting.contributions[me.lane] = contribution;
    if (is_complete(meeting, warp)) return finish(warp, static_cast<size_t>(&meeting - warp.open.data()), me.number - me.lane, work);
    wait_as(State::AT_WARP);
}

unsigned live_lanes(unsigned warp) { return warps[warp].live; }

void leave_warp() {
    Thread& me = *current;
    Warp& warp = warps[me.warp];
    warp.live &= ~(1u << me.lane);
    for (size_t i = warp.open.size(); i-- > 0;) {
        unsigned somebody = static_cast<unsigned>(__builtin_ctz(warp.open[i].arrived));
        if (is_complete(warp.open[i], warp)) finish(warp, i, me.number - me.lane, thread(me.number - me.lane + somebody).work);
    }
}

void forget_warps() {
    unsigned threads = threads_in_block();
    warps.resize((threads + 31) / 32);
    for (Warp& warp : warps) {
        warp.live = 0xffffffffu;
        warp.open.clear();
    }
    if (threads % 32 != 0) warps.back().live = (1u << threads % 32) - 1;
}

void warp_barrier(unsigned mask, const char* file, int line) {
    meet(mask, nullptr, [](Meeting& meeting) { checker::warp_barrier(current->warp, meeting.arrived); }, file, line);
}

namespace {
struct Shuffle {
    unsigned long long bits, result;
    unsigned source;
    bool is_inside;
};

[[noreturn]] void fail_to_shuffle(const Meeting& meeting, unsigned lane, unsigned source) {
    const Thread& reader = thread(current->number - current->lane + lane);
    bool is_named = source < 32 && (meeting.mask >> source & 1) != 0;
    char what[160];
    snprintf(what, sizeof what, "%s reads lane %u, which %s (mask %08x)", name_of(reader).c_str(), source,
             is_named ? "has left the kernel or does not exist" : "the mask does not name", meeting.mask);
    fail({LAUNCH_FAILED, "shuffle from an absent lane", {{meeting.place, what}}});
}

void exchange(Meeting& meeting) {
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!meeting.has(lane)) continue;
        Shuffle& mine = meeting.of<Shuffle>(lane);
        if (!mine.is_inside) {
            mine.result = mine.bits;
            continue;
        }
        if (mine.source >= 32 || !meeting.has(mine.source)) fail_to_shuffle(meeting, lane, mine.source);
        mine.result = meeting.of<Shuffle>(mine.source).bits;
    }
}

struct Vote {
    unsigned long long bits;
    unsigned result;
};

void count_votes(Meeting& meeting) {
    unsigned result = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
        if (meeting.has(lane) && meeting.of<Vote>(lane).bits != 0) result |= 1u << lane;
    for (unsigned lane = 0; lane < 32; ++lane)
        if (meeting.has(lane)) meeting.of<Vote>(lane).result = result;
}

void find_equals(Meeting& meeting) {
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!meeting.has(lane)) continue;
        Vote& mine = meeting.of<Vote>(lane);
        mine.result = 0;
        for (unsigned other = 0; other < 32; ++other)
            if (meeting.has(other) && meeting.of<Vote>(other).bits == mine.bits) mine.result |= 1u << other;
    }
}
}  // namespace

unsigned long long shuffle(unsigned mask, unsigned long long bits, int source, bool is_inside, const char* file,
                           int line) {
    Shuffle mine = {bits, 0, static_cast<unsigned>(source), is_inside};
    meet(mask, &mine, exchange, file, line);
    return mine.result;
}

unsigned ballot(unsigned mask, bool predicate, const char* file, int line) {
    Vote mine = {predicate, 0};
    meet(mask, &mine, count_votes, file, line);
    return mine.result;
}

unsigned match_any(unsigned mask, unsigned long long bits, const char* file, int line) {
    Vote mine = {bits, 0};
    meet(mask, &mine, find_equals, file, line);
    return mine.result;
}

unsigned active_mask() { return live_lanes(current->warp); }
int lane() { return static_cast<int>(current->lane); }
}  // namespace sim
