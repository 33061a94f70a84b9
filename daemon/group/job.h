// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vfiobind {

/// A job as the bus shows it.
struct JobView {
    std::uint32_t id = 0;
    std::string kind; ///< `bind`, `release`
    unsigned group = 0;
    std::string state = "running";                          ///< `running`, `stuck`
    std::vector<std::pair<std::string, std::string>> steps; ///< step, result so far
    std::uint64_t startedUsec = 0;                          ///< CLOCK_REALTIME
    bool operator==(const JobView&) const = default;
};

} // namespace vfiobind
