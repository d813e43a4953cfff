// Switching between fibers: twelve instructions on x86-64, and the C library's slower way elsewhere.
#include "fiber.h"

#ifdef SIM_UCONTEXT

namespace sim {
void prepare(Fiber& fiber, char* stack, size_t bytes, void (*entry)()) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack;
    fiber.context.uc_stack.ss_size = bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, entry, 0);
}

void switch_fiber(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }
}  // namespace sim

#else

// What a function has to leave as it found it: six registers and the stack. The rest its caller has saved.
extern "C" __attribute__((visibility("hidden"))) void sim_switch(void** from, void* to);
asm(R"(
    .text
    .hidden sim_switch
    .globl sim_switch
    .type sim_switch, @function
sim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size sim_switch, .-sim_switch
)");

namespace sim {
void prepare(Fiber& fiber, char* stack, size_t bytes, void (*entry)()) {
    // As if `entry` had just been called: the stack is 8 bytes off a multiple of 16, above six registers.
    void** top = reinterpret_cast<void**>(stack + bytes) - 2;
    top[1] = nullptr;
    top[0] = reinterpret_cast<void*>(entry);
    for (int i = 1; i <= 6; ++i) top[-i] = nullptr;
    fiber.stack_pointer = top - 6;
}

void switch_fiber(Fiber& from, Fiber& to) { sim_switch(&from.stack_pointer, to.stack_pointer); }
}  // namespace sim

#endif
