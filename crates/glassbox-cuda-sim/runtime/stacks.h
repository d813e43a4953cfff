// The stacks of fibers: address space for all, memory only for what is touched, a page that nobody may touch between.
#pragma once
#include <stddef.h>

namespace sim {
struct Stack {
    char *begin, *end;
};
Stack stack_of(unsigned number);
bool is_on_a_stack(const void* place);
void release_stacks();
}  // namespace sim
