// Asynchronous copies from global to shared memory (cp.async) that have not arrived.
#pragma once

namespace sim {
// Before a block: nobody has a copy under way.
void forget_copies(unsigned threads);
}  // namespace sim
