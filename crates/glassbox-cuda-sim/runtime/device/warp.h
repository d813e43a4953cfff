// What the 32 threads of a warp do together: shuffles, votes and the barrier of the warp.
#pragma once
#include "threads.h"

namespace sim {
void warp_barrier(unsigned mask, const char* file, int line);
// Gives the bits of the lane `source`; or one's own, where `is_inside` is false.
unsigned long long shuffle(unsigned mask, unsigned long long bits, int source, bool is_inside, const char* file,
                           int line);
unsigned ballot(unsigned mask, bool predicate, const char* file, int line);
unsigned match_any(unsigned mask, unsigned long long bits, const char* file, int line);
unsigned active_mask();
[[gnu::const]] int lane();

template <class T>
inline T shuffle_value(unsigned mask, T value, int source, bool is_inside, const char* file, int line) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof value);
    bits = shuffle(mask, bits, source, is_inside, file, line);
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}
inline int segment_begin(int width) { return lane() & ~(width - 1); }
}  // namespace sim

inline void __syncwarp(unsigned mask = 0xffffffffu, SIM_HERE) { sim::warp_barrier(mask, file, line); }
inline unsigned __activemask() { return sim::active_mask(); }
inline unsigned __ballot_sync(unsigned mask, int predicate, SIM_HERE) {
    return sim::ballot(mask, predicate != 0, file, line);
}
inline int __any_sync(unsigned mask, int predicate, SIM_HERE) {
    return sim::ballot(mask, predicate != 0, file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, SIM_HERE) {
    return sim::ballot(mask, predicate == 0, file, line) == 0;
}

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, SIM_HERE) {
    return sim::shuffle_value(mask, value, sim::segment_begin(width) + (source & (width - 1)), true, file, line);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, SIM_HERE) {
    int source = sim::lane() ^ bits;
    return sim::shuffle_value(mask, value, source, source < sim::segment_begin(width) + width, file, line);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, SIM_HERE) {
    int source = sim::lane() + static_cast<int>(distance);
    return sim::shuffle_value(mask, value, source, source < sim::segment_begin(width) + width, file, line);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, SIM_HERE) {
    int source = sim::lane() - static_cast<int>(distance);
    return sim::shuffle_value(mask, value, source, source >= sim::segment_begin(width), file, line);
}
template <class T>
inline unsigned __match_any_sync(unsigned mask, T value, SIM_HERE) {
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof value);
    return sim::match_any(mask, bits, file, line);
}
