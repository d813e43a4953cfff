// The functions that g++ calls from code compiled with -fsanitize=thread and UBSan's flags. They are ours: no sanitizer
// is linked, the compiler only tells us of each access.
#include "../checker.h"
#include "../scheduler.h"

#include <stdint.h>

using sim::checker::access;

#define HOOK extern "C" __attribute__((visibility("hidden")))
#define CALLER __builtin_return_address(0)

#define ACCESSES(bytes) \
    HOOK void __tsan_read##bytes(void* p) { access(p, bytes, sim::checker::READ, CALLER); } \
    HOOK void __tsan_write##bytes(void* p) { access(p, bytes, sim::checker::WRITE, CALLER); } \
    HOOK void __tsan_unaligned_read##bytes(void* p) { access(p, bytes, sim::checker::READ, CALLER); } \
    HOOK void __tsan_unaligned_write##bytes(void* p) { access(p, bytes, sim::checker::WRITE, CALLER); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
HOOK void __tsan_read_range(void* p, unsigned long bytes) { access(p, bytes, sim::checker::READ, CALLER); }
HOOK void __tsan_write_range(void* p, unsigned long bytes) { access(p, bytes, sim::checker::WRITE, CALLER); }
HOOK void __tsan_init() {}
HOOK void __tsan_func_entry(void*) {}
HOOK void __tsan_func_exit() {}

namespace {
// As UBSan has it.
struct SourceLocation {
    const char* file;
    uint32_t line, column;
};

// Outside of a kernel there is nobody to blame: static initialisers run before any.
void refuse(const SourceLocation* at, sim::Fault fault, const char* what) {
    if (sim::current == nullptr) return;
    sim::fail({fault, what, {{{at->file, static_cast<int>(at->line), nullptr}, sim::name_of(*sim::current)}}});
}
}  // namespace

#define UNDEFINED(name, fault, what) \
    HOOK void __ubsan_handle_##name(SourceLocation* at, void*, void*) { refuse(at, sim::fault, what); }
UNDEFINED(out_of_bounds, ILLEGAL_ADDRESS, "index out of bounds of an array")
UNDEFINED(add_overflow, LAUNCH_FAILED, "signed overflow in +")
UNDEFINED(sub_overflow, LAUNCH_FAILED, "signed overflow in -")
UNDEFINED(mul_overflow, LAUNCH_FAILED, "signed overflow in *")
UNDEFINED(negate_overflow, LAUNCH_FAILED, "signed overflow in unary -")
UNDEFINED(divrem_overflow, LAUNCH_FAILED, "integer division by zero")
UNDEFINED(shift_out_of_bounds, LAUNCH_FAILED, "shift by a negative number or by all bits")

// What an access wants of its place: the beginning of what UBSan tells of it.
struct Wanted {
    SourceLocation at;
    void* type;
    unsigned char alignment_log, use;
};
// A place that is aligned is refused because it is none of the variable's.
HOOK void __ubsan_handle_type_mismatch_v1(Wanted* wanted, void* place) {
    bool is_aligned = reinterpret_cast<uintptr_t>(place) % (1u << wanted->alignment_log) == 0;
    if (is_aligned) refuse(&wanted->at, sim::ILLEGAL_ADDRESS, "out of bounds of a variable");
    refuse(&wanted->at, sim::MISALIGNED_ADDRESS, "misaligned access");
}
