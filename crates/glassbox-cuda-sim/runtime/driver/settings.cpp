// What the environment says of the device and the driver.
#include "driver.h"

#include "../memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <limits>

namespace driver {
namespace {
template <class T>
void read_number(const char* variable, T& value, std::string& mistake) {
    const char* text = getenv(variable);
    if (text == nullptr || *text == 0) return;
    // strtoull takes signs and blanks, and turns what is too large into something else.
    bool is_number = strspn(text, "0123456789") == strlen(text);
    errno = 0;
    unsigned long long number = strtoull(text, nullptr, 10);
    value = static_cast<T>(number);
    bool fits = errno == 0 && number <= static_cast<unsigned long long>(std::numeric_limits<T>::max());
    if (!is_number || !fits)
        mistake = std::string(variable) + "=" + text + (is_number ? " is too large a number" : " is no number");
}

// FUNCTION:RESULT or FUNCTION:RESULT:CALL.
void read_failure(Settings& found) {
    const char* text = getenv("GLASSBOX_SIM_FAIL");
    if (text == nullptr || *text == 0) return;
    char function[64] = {};
    int end = 0;
    int fields = sscanf(text, "%63[^:]:%d%n:%llu%n", function, &found.failure, &end, &found.failing_call, &end);
    if (fields < 2 || text[end] != 0) found.mistake = "GLASSBOX_SIM_FAIL is FUNCTION:RESULT or FUNCTION:RESULT:CALL";
    found.failing = function;
}

bool is_order(const std::string& order) {
    bool is_shuffled = order.compare(0, 9, "shuffled:") == 0 && order.size() > 9 &&
                       order.find_first_not_of("0123456789", 9) == std::string::npos;
    return order == "forward" || order == "backward" || is_shuffled;
}

Settings read_settings() {
    Settings found;
    read_number("GLASSBOX_SIM_MEMORY", found.memory, found.mistake);
    read_number("GLASSBOX_SIM_DRIVER", found.driver_version, found.mistake);
    read_number("GLASSBOX_SIM_CAPABILITY", found.capability, found.mistake);
    read_number("GLASSBOX_SIM_DEVICES", found.devices, found.mistake);
    read_number("GLASSBOX_SIM_LOST_AFTER", found.lost_after, found.mistake);
    read_failure(found);
    const char* order = getenv("GLASSBOX_SIM_ORDER");
    if (order != nullptr && *order != 0) found.order = order;
    if (!is_order(found.order)) found.mistake = "GLASSBOX_SIM_ORDER is forward, backward or shuffled:NUMBER";
    if (found.devices > 1) found.mistake = "GLASSBOX_SIM_DEVICES is 0 or 1";
    found.memory = std::min(found.memory, sim::memory::ARENA_BYTES / 2);
    return found;
}
}  // namespace

const Settings& settings() {
    static const Settings settings = read_settings();
    return settings;
}

Result planned_failure(const char* function) {
    static unsigned long long calls = 0;
    if (settings().failing != function) return SUCCESS;
    ++calls;
    bool is_now = settings().failing_call == 0 || settings().failing_call == calls;
    return is_now ? static_cast<Result>(settings().failure) : SUCCESS;
}
}  // namespace driver
