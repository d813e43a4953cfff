// What went wrong in a kernel, in a form that can be turned into sentences once the kernel is dead.
#pragma once
#include <string>
#include <vector>

namespace sim {
// The driver's numbers for what a kernel can do wrong.
enum Fault { NO_FAULT = 0, ILLEGAL_ADDRESS = 700, ASSERT = 710, MISALIGNED_ADDRESS = 716, LAUNCH_FAILED = 719 };

// Where in the kernel's text: either a line, or an address in its code.
struct Place {
    const char* file = nullptr;
    int line = 0;
    const void* code = nullptr;
};

struct Report {
    Fault fault;
    std::string what;
    struct Line {
        Place place;
        std::string text;
    };
    std::vector<Line> lines;
};

// All of it as text, with code addresses looked up in the debug information.
std::string describe(const Report& report);
// `file:line` of an address in kernel code, or the address where that cannot be found.
std::string locate(const void* code);
}  // namespace sim
