// Modules and their functions.
#pragma once
#include "driver.h"
#include "ptx.h"

#include "../device/kernel.h"

namespace driver {
struct Module {
    std::string image;
};

struct Function {
    const sim::Kernel* kernel;
    ptx::Entry entry;
    int target;
    std::weak_ptr<Module> module;
    unsigned most_dynamic_bytes;
};

// Shared memory that a block has without asking, and with.
constexpr unsigned SHARED_BYTES = 49152;
unsigned most_shared_bytes();
// Null if the handle or its module is gone.
std::shared_ptr<Function> function_of(Context& context, Handle handle);
}  // namespace driver
