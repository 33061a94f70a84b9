// SPDX-License-Identifier: LGPL-2.1-or-later
#include "show/udev_files.h"

#include "rules/module_options.h"
#include "rules/node_imports.h"
#include "rules/udev_rules.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace vfiobind {

void UdevFiles::note(const TakenDevice& taken) {
    const auto& address = taken.device.address;
    const auto known =
        std::ranges::find_if(taken_, [&](const auto& other) { return other.device.address == address; });
    if (known == taken_.end())
        taken_.push_back(taken);
    else if (known->device.ids != taken.device.ids || known->driver != taken.driver)
        *known = taken;
}

RuleTexts UdevFiles::texts(const Core& core) {
    if (!(policy_ == core.intent().policy())) {
        policy_ = core.intent().policy();
        taken_.clear();
    }
    std::vector<Device> left;
    for (const auto& [group, wanted] : core.intent().resolution().groups) {
        const auto state = core.groupState(group);
        for (const auto* device : core.topology().endpoints(group)) {
            if (state == "blocked" && device->driver.empty())
                left.push_back(*device);
            else if (state == "bound" && wanted.method == Method::driverOverride)
                note({*device, device->driver});
        }
    }
    auto overrides =
        overrideRules(policy_, taken_, left, [this](const Ids& ids) { return modules_.automatic(ids); });
    for (const auto& sentence : overrides.leftOut)
        if (std::ranges::find(told_, sentence) == told_.end())
            spdlog::error("left out of {}: {}", udevRulesFile, sentence);
    told_ = std::move(overrides.leftOut);
    return {.udevRules = udevRules(overrides.rules, namesSerials(policy_)),
            .overrides = overridesToJson(overrides.rules),
            .nodeImports = nodeImports(policy_, core.topology(), core.intent().resolution()),
            .moduleOptions = moduleOptionLines(policy_.modules)};
}

void UdevFiles::sync(const Core& core) {
    const std::pair revisions(core.revision(), modules_.revision());
    if (!first_ && seen_ == revisions)
        return;
    seen_ = revisions;
    auto now = texts(core);
    if (!first_ && now == last_)
        return;
    first_ = false;
    const auto change = files_.apply(now);
    last_ = std::move(now);
    for (const auto& error : change.errors)
        spdlog::error("udev and modprobe do not know the policy as it is: {}", error.str());
    if (change.udevRules)
        actions_.rulesChanged();
    if (change.overridesThere && !overridesThere_)
        actions_.overridesCame();
    overridesThere_ = change.overridesThere;
}

} // namespace vfiobind
