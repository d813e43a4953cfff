// What the scheduler tells of launches that start before the one ahead has ended, and what it asks.
#pragma once
#include "report.h"

#include <optional>

namespace sim {
void begin_early();
// What is wrong with how the launch has waited, if something is.
std::optional<Report> end_early();
}  // namespace sim
