// cp.async: a copy is taken down when it is issued, and arrives in shared memory when its thread waits for it. Until
// then the place counts as unwritten, so a missing wait is seen, and a missing barrier after the wait is a race.
#include "copies.h"

#include "checker.h"
#include "device/tensor_cores.h"
#include "scheduler.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <deque>

namespace sim {
namespace {
struct Copy {
    char* place;
    unsigned bytes;
    char data[16];
    const void* code;
};
using Group = std::vector<Copy>;
struct Copies {
    Group uncommitted;
    std::deque<Group> groups;
};
std::vector<Copies> copies;

void refuse(const char* what, const Place& place) {
    fail({MISALIGNED_ADDRESS, what, {{place, name_of(*current)}}});
}
}  // namespace

void forget_copies(unsigned threads) {
    if (copies.size() < threads) copies.resize(threads);
    for (Copies& of_thread : copies) {
        of_thread.uncommitted.clear();
        of_thread.groups.clear();
    }
}

void cp_async(void* shared, const void* global, int bytes, int valid_bytes, const char* file, int line) {
    Place place = {file, line, nullptr};
    if (bytes != 4 && bytes != 8 && bytes != 16) refuse("cp.async copies 4, 8 or 16 bytes", place);
    if (valid_bytes < 0 || valid_bytes > bytes) refuse("cp.async has more valid bytes than bytes", place);
    uintptr_t places = reinterpret_cast<uintptr_t>(shared) | reinterpret_cast<uintptr_t>(global);
    if (places % static_cast<unsigned>(bytes) != 0) refuse("misaligned cp.async", place);
    const void* code = __builtin_return_address(0);
    Copy copy = {static_cast<char*>(shared), static_cast<unsigned>(bytes), {}, code};
    if (valid_bytes > 0) {
        checker::access(global, static_cast<size_t>(valid_bytes), checker::READ, code);
        memcpy(copy.data, global, static_cast<size_t>(valid_bytes));
    }
    checker::access(shared, copy.bytes, checker::WRITE, code);
    checker::in_flight(shared, copy.bytes);
    memset(shared, 0xff, copy.bytes);
    copies[current->number].uncommitted.push_back(copy);
}

void cp_async_commit() {
    Copies& mine = copies[current->number];
    mine.groups.push_back(std::move(mine.uncommitted));
    mine.uncommitted.clear();
}

void cp_async_wait(int pending_groups) {
    std::deque<Group>& groups = copies[current->number].groups;
    while (groups.size() > static_cast<size_t>(pending_groups)) {
        for (const Copy& copy : groups.front()) {
            checker::access(copy.place, copy.bytes, checker::WRITE, copy.code);
            memcpy(copy.place, copy.data, copy.bytes);
        }
        groups.pop_front();
    }
}
}  // namespace sim
