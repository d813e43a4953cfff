// What the environment says of the device and the driver.
#include "driver.h"

#include "../memory.h"

#include <stdlib.h>

#include <algorithm>

namespace driver {
namespace {
template <class T>
void read_number(const char* variable, T& value, std::string& mistake) {
    const char* text = getenv(variable);
    if (text == nullptr || *text == 0) return;
    char* end;
    value = static_cast<T>(strtoull(text, &end, 10));
    if (*end != 0) mistake = std::string(variable) + "=" + text + " is no number";
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
}  // namespace driver
