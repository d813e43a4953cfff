// As much of PTX text as a driver has to look at: versions, entries and their parameters.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace driver::ptx {
struct Version {
    int major, minor;
};

struct Entry {
    std::vector<unsigned> parameters;  // their sizes
    unsigned shared_bytes = 0;
    unsigned most_threads = 1024;
};

// `.version`, or nothing if this is no PTX.
std::optional<Version> version(const std::string& text);
// `.target sm_XX` as XX; 0 if there is none.
int target(const std::string& text);
std::optional<Entry> entry(const std::string& text, const std::string& name);
}  // namespace driver::ptx
