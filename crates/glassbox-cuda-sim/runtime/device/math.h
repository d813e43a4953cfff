// The numeric functions that CUDA C++ has without a header. What IEEE 754 rounds correctly gives a GPU's bits; expf,
// logf and their like are the C library's, which differ from a GPU's in the last places.
#pragma once
#include "types.h"

inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float sqrtf(float x) { return __builtin_sqrtf(x); }
inline double sqrt(double x) { return __builtin_sqrt(x); }
inline float fabsf(float x) { return __builtin_fabsf(x); }
inline double fabs(double x) { return __builtin_fabs(x); }
inline float copysignf(float x, float sign) { return __builtin_copysignf(x, sign); }
inline float floorf(float x) { return __builtin_floorf(x); }
inline float ceilf(float x) { return __builtin_ceilf(x); }
inline float truncf(float x) { return __builtin_truncf(x); }
inline float roundf(float x) { return __builtin_roundf(x); }
inline float rintf(float x) { return __builtin_rintf(x); }
inline float nearbyintf(float x) { return __builtin_nearbyintf(x); }
inline float fmodf(float x, float y) { return __builtin_fmodf(x, y); }
inline float ldexpf(float x, int exponent) { return __builtin_ldexpf(x, exponent); }
inline float expf(float x) { return __builtin_expf(x); }
inline float exp2f(float x) { return __builtin_exp2f(x); }
inline float expm1f(float x) { return __builtin_expm1f(x); }
inline float logf(float x) { return __builtin_logf(x); }
inline float log2f(float x) { return __builtin_log2f(x); }
inline float log1pf(float x) { return __builtin_log1pf(x); }
inline float powf(float x, float y) { return __builtin_powf(x, y); }
inline float tanhf(float x) { return __builtin_tanhf(x); }
inline float sinf(float x) { return __builtin_sinf(x); }
inline float cosf(float x) { return __builtin_cosf(x); }
inline float erff(float x) { return __builtin_erff(x); }
inline float rsqrtf(float x) { return 1.0f / __builtin_sqrtf(x); }
inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline bool signbit(float x) { return __builtin_signbit(x) != 0; }

// As PTX has min.f32 and max.f32: a number beats NaN, and -0 is less than +0.
inline float fmaxf(float x, float y) {
    if (__builtin_isnan(x)) return y;
    if (x == 0.0f && y == 0.0f) return __builtin_signbit(x) ? y : x;
    return x < y ? y : x;
}
inline float fminf(float x, float y) {
    if (__builtin_isnan(x)) return y;
    if (x == 0.0f && y == 0.0f) return __builtin_signbit(x) ? x : y;
    return y < x ? y : x;
}

// Operations with their rounding in the name, which no compiler may fuse.
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return __builtin_sqrtf(x); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }

// A GPU has fast and inexact circuits for these; here they are as good as the ordinary functions.
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }

namespace sim {
template <class To, class From>
inline To reinterpret_bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "the same number of bits");
    To result;
    __builtin_memcpy(&result, &value, sizeof result);
    return result;
}
// A GPU clamps what does not fit into an integer, and makes zero of NaN; in C++ it would be undefined.
template <class To, class Float>
inline To to_integer(Float x, To least, To most) {
    if (__builtin_isnan(x)) return 0;
    if (x <= static_cast<Float>(least)) return least;
    return x >= static_cast<Float>(most) ? most : static_cast<To>(x);
}
}  // namespace sim

inline int __float_as_int(float x) { return sim::reinterpret_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return sim::reinterpret_bits<unsigned>(x); }
inline float __int_as_float(int bits) { return sim::reinterpret_bits<float>(bits); }
inline float __uint_as_float(unsigned bits) { return sim::reinterpret_bits<float>(bits); }
inline long long __double_as_longlong(double x) { return sim::reinterpret_bits<long long>(x); }
inline double __longlong_as_double(long long bits) { return sim::reinterpret_bits<double>(bits); }

constexpr int SIM_INT_MAX = 0x7fffffff;
inline int __float2int_rn(float x) { return sim::to_integer(rintf(x), -SIM_INT_MAX - 1, SIM_INT_MAX); }
inline int __float2int_rz(float x) { return sim::to_integer(truncf(x), -SIM_INT_MAX - 1, SIM_INT_MAX); }
inline int __float2int_rd(float x) { return sim::to_integer(floorf(x), -SIM_INT_MAX - 1, SIM_INT_MAX); }
inline int __float2int_ru(float x) { return sim::to_integer(ceilf(x), -SIM_INT_MAX - 1, SIM_INT_MAX); }
inline unsigned __float2uint_rn(float x) { return sim::to_integer(rintf(x), 0u, 0xffffffffu); }
inline unsigned __float2uint_rz(float x) { return sim::to_integer(truncf(x), 0u, 0xffffffffu); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    unsigned result = 0;
    for (int bit = 0; bit < 32; ++bit) result |= (x >> bit & 1u) << (31 - bit);
    return result;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
    return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    unsigned long long bytes = static_cast<unsigned long long>(y) << 32 | x;
    unsigned result = 0;
    for (unsigned i = 0; i < 4; ++i) {
        unsigned which = selector >> 4 * i & 7u;
        result |= static_cast<unsigned>(bytes >> 8 * which & 0xffu) << 8 * i;
    }
    return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
    return static_cast<unsigned>((static_cast<unsigned long long>(high) << 32 | low) << (shift & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return static_cast<unsigned>((static_cast<unsigned long long>(high) << 32 | low) >> (shift & 31));
}

template <class T>
inline T __ldg(const T* place) {
    return *place;
}

#define SIM_MIN_MAX(A, B, T) \
    inline T min(A a, B b) { return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a); } \
    inline T max(A a, B b) { return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a); }
SIM_MIN_MAX(int, int, int)
SIM_MIN_MAX(unsigned, unsigned, unsigned)
SIM_MIN_MAX(int, unsigned, unsigned)
SIM_MIN_MAX(unsigned, int, unsigned)
SIM_MIN_MAX(long, long, long)
SIM_MIN_MAX(unsigned long, unsigned long, unsigned long)
SIM_MIN_MAX(long long, long long, long long)
SIM_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
SIM_MIN_MAX(double, double, double)
#undef SIM_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
