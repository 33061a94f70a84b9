// SPDX-License-Identifier: LGPL-2.1-or-later
// What is not as the policy has it, and only the administrator can mend.
#include "core.h"

#include "config/config.h"
#include "rules/initramfs.h"
#include "rules/module_options.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

/// What a warning is about is mended outside of us, and no event tells of it.
constexpr auto untilLookedAgain = std::chrono::seconds(60);

} // namespace

/// case 60. An initramfs matters where there is something to take, or where it has taken something: it is
/// marked by vfio-bind-early when that runs in one.
void Core::lookForWarnings() {
    std::vector<std::string> now = otherOptionsInForce(sysfs_, policy_.modules);
    const bool ranInInitramfs = changeTime(files_.stateDirectory + "/initramfs").has_value();
    if (!policy_.rules.empty() || ranInInitramfs)
        if (const auto image = initramfsOf(sysfs_, configFiles(files_.config), changeTime);
            image && !image->newerFile.empty())
            now.push_back(
                fmt::format("{} is older than {}: the next boot begins with what the configuration was "
                            "then; run {}",
                            image->path, image->newerFile, image->command));
    lookAgain_ = now.empty() ? EventSource{} : loop_.timer(untilLookedAgain, [this] { lookForWarnings(); });
    if (now == warnings_)
        return;
    for (const auto& warning : now)
        if (std::ranges::find(warnings_, warning) == warnings_.end())
            spdlog::warn("{}", warning);
    warnings_ = std::move(now);
    changes_.manager = true;
}

} // namespace vfiobind
