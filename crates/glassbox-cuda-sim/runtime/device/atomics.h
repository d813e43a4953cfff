// Atomic operations. Fibers never interrupt each other, so a plain load and store are atomic; what is left to do is to
// tell the checker that this access is of the kind that may meet others.
#pragma once
#include <type_traits>

namespace sim {
void atomic_access(void* place, size_t bytes, const void* code);

template <class T, class F>
__attribute__((noinline, no_sanitize("thread", "undefined"))) T atomic(T* place, F change) {
    atomic_access(place, sizeof(T), __builtin_return_address(0));
    T old = *place;
    *place = change(old);
    return old;
}
}  // namespace sim

template <class T>
inline T atomicAdd(T* place, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
inline T atomicSub(T* place, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T old) { return static_cast<T>(old - value); });
}
template <class T>
inline T atomicMax(T* place, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T old) { return old < value ? value : old; });
}
template <class T>
inline T atomicMin(T* place, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T old) { return value < old ? value : old; });
}
template <class T>
inline T atomicAnd(T* place, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T old) { return static_cast<T>(old & value); });
}
template <class T>
inline T atomicOr(T* place, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T old) { return static_cast<T>(old | value); });
}
template <class T>
inline T atomicXor(T* place, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T old) { return static_cast<T>(old ^ value); });
}
template <class T>
inline T atomicExch(T* place, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T) { return value; });
}
template <class T>
inline T atomicCAS(T* place, std::common_type_t<T> expected, std::common_type_t<T> value) {
    return sim::atomic(place, [=](T old) { return old == expected ? value : old; });
}
// Counts up and starts again at 0 after `last`.
inline unsigned atomicInc(unsigned* place, unsigned last) {
    return sim::atomic(place, [=](unsigned old) { return old >= last ? 0u : old + 1; });
}
