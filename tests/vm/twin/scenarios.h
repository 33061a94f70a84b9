// SPDX-License-Identifier: LGPL-2.1-or-later
/// The table of what is played on both kernels.
#pragma once

#include "twin/script.h"

#include <functional>
#include <string>
#include <vector>

namespace vfiobind::twin {

struct Play {
    std::string name;
    std::function<void(Script&)> run;
    bool wrecks = false; ///< leaves what no write mends: played last, and nothing is restored
};

std::vector<Play> fileScenarios();
std::vector<Play> bindScenarios();
std::vector<Play> idScenarios();
std::vector<Play> sriovScenarios();
std::vector<Play> hotplugScenarios();
std::vector<Play> transactionScenarios();

/// All of them, those that wreck the machine last. Any other leaves it as it found it.
std::vector<Play> allScenarios();

} // namespace vfiobind::twin
