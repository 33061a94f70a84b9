// SPDX-License-Identifier: LGPL-2.1-or-later
#include "udev_files.h"

#include "rules/udev_rules.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace vfiobind {

RuleTexts UdevFiles::texts(const Core& core) {
    const auto& topology = core.topology();
    std::map<Address, std::string> taken;
    for (const auto& [group, wanted] : core.resolution().groups) {
        const auto state = core.groupState(group);
        if (wanted.method == Method::newId || (state != "bound" && state != "binding"))
            continue;
        for (const auto* device : topology.endpoints(group)) {
            const auto named = wanted.driver == "auto" ? modules_.automatic(device->ids) : wanted.driver;
            taken.emplace(device->address, state == "bound" ? device->driver : named);
        }
    }
    auto rules = udevRules(core.policy(), topology, taken, [this](const Ids& ids) { return modules_.automatic(ids); });
    for (const auto& sentence : rules.leftOut)
        if (std::ranges::find(told_, sentence) == told_.end())
            spdlog::error("left out of {}: {}", udevRulesFile, sentence);
    told_ = std::move(rules.leftOut);
    return {.udevRules = std::move(rules.text),
            .nodeImports = nodeImports(core.policy(), topology, core.resolution()),
            .moduleOptions = moduleOptionLines(core.policy().modules)};
}

void UdevFiles::sync(const Core& core) {
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
    for (const auto group : change.groups)
        actions_.nodeChanged(group);
}

void announceNode(Sysfs& sysfs, unsigned group) {
    const auto path = fmt::format("/sys/class/vfio/{}/uevent", group);
    if (!sysfs.exists(path))
        return;
    if (auto written = sysfs.write(path, "change"); !written)
        spdlog::error("the node of group {} keeps its name and access: {}", group, written.error().str());
}

} // namespace vfiobind
