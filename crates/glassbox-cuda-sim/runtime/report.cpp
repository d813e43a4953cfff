// Turns reports into text. Addresses in kernel code become lines by asking addr2line, which comes with every g++.
#include "report.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

namespace sim {
static bool is_kernel_text(const char* line) {
    bool is_known = strncmp(line, "??", 2) != 0 && strstr(line, ":?") == nullptr;
    return is_known && strstr(line, "runtime/device/") == nullptr;
}

std::string locate(const void* code) {
    Dl_info library;
    if (dladdr(code, &library) == 0) return "?";
    // A return address belongs to the next statement; the call is just before it.
    size_t offset = static_cast<size_t>(static_cast<const char*>(code) - static_cast<const char*>(library.dli_fbase)) - 1;
    std::string command = "addr2line -i -e '" + std::string(library.dli_fname) + "' ";
    char line[512];
    snprintf(line, sizeof line, "0x%zx 2>/dev/null", offset);
    FILE* pipe = popen((command + line).c_str(), "r");
    std::string found;
    // Inlined functions come first: the innermost line of the kernel's own text is wanted.
    while (pipe != nullptr && fgets(line, sizeof line, pipe) != nullptr) {
        if (!found.empty() || !is_kernel_text(line)) continue;
        line[strcspn(line, " \n")] = 0;
        found = line[0] == '.' && line[1] == '/' ? line + 2 : line;
    }
    if (pipe != nullptr) pclose(pipe);
    if (!found.empty()) return found;
    snprintf(line, sizeof line, "%s+0x%zx", library.dli_fname, offset);
    return line;
}

std::string describe(const Report& report) {
    std::string text = report.what;
    for (const Report::Line& line : report.lines) {
        text += "\n    ";
        if (line.place.code != nullptr) text += locate(line.place.code) + ": ";
        if (line.place.file != nullptr) text += line.place.file + (":" + std::to_string(line.place.line)) + ": ";
        text += line.text;
    }
    return text;
}
}  // namespace sim
