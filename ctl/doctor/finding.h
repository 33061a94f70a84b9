// SPDX-License-Identifier: LGPL-2.1-or-later
/// What vfio-bindctl doctor finds.
#pragma once

#include "pci/address.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

enum class Level {
    ok,
    note,    ///< good to know
    warning, ///< may go wrong later, or could not be looked at
    error,   ///< the target cannot be passed through as things are
};

struct Finding {
    Level level = Level::ok;
    std::string topic; ///< `iommu`, `modules`, `msi`, or a blocker's code
    std::optional<Address> device;
    std::string sentence;
    std::string remedy;   ///< what to do; empty where nothing is to be done
    bool unknown = false; ///< it says that something could not be looked at
    bool operator==(const Finding&) const = default;
};

using Findings = std::vector<Finding>;

/// `ok`, `note`, `warning`, `error`.
constexpr std::string_view levelName(Level level) {
    switch (level) {
    case Level::ok:
        return "ok";
    case Level::note:
        return "note";
    case Level::warning:
        return "warning";
    case Level::error:
        return "error";
    }
    return "error";
}

} // namespace vfiobind::ctl
