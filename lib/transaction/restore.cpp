// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transaction/step_runner.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>

namespace vfiobind {
namespace {

std::string named(const std::string& driver) {
    return driver.empty() ? "none" : driver;
}

/// Brings the driver back. The override must let the driver match, so it is set before where what was found
/// does not.
StepRunner::Result restoreDriver(StepRunner& steps, const JournalMember& member, const std::string& current,
                                 std::string& override, bool hasOverride) {
    if (!member.driver.empty() && hasOverride) {
        // A vfio driver takes only what an override names; it can have been bound without one by a dynamic id
        // that is gone.
        const bool matches = member.override == member.driver || (member.override.empty() && !member.vfio);
        const auto& needed = matches ? member.override : member.driver;
        if (override != needed) {
            if (auto result = steps.setOverride(member.device, needed); !result)
                return result;
            override = needed;
        }
    }
    if (!current.empty())
        if (auto result = steps.unbind(member.device, current); !result)
            return result;
    if (member.driver.empty())
        return {};
    return steps.bind(member.device, member.driver);
}

std::optional<std::string> restoreMember(const Sysfs& sysfs, StepRunner& steps, const JournalMember& member) {
    const auto device = readDevice(sysfs, member.device);
    if (!device || device->ids != member.ids)
        return std::nullopt; // gone, or another card: nothing of ours is left there
    const bool givenBack = !device->driver.empty() && !device->onVfio() && member.vfio;
    if (const auto use = givenBack ? steps.inUse(member.device) : std::string{}; !use.empty())
        return fmt::format("{}: driver is {}, was {}, and it stays there: {}", member.device.str(),
                           device->driver, member.driver, use);
    const auto found = readDriverOverride(sysfs, member.device);
    std::string override = found ? found->value : member.override;
    std::string failure;
    if (device->driver != member.driver)
        if (auto result = restoreDriver(steps, member, device->driver, override, found.has_value()); !result)
            failure = result.error().str();
    if (found && override != member.override)
        if (auto result = steps.setOverride(member.device, member.override); !result && failure.empty())
            failure = result.error().str();

    if (!steps.present(member.device))
        return std::nullopt;
    const auto driver = steps.driverOf(member.device);
    const auto nowOverride = readDriverOverride(sysfs, member.device);
    const bool overrideBack = !nowOverride || nowOverride->value == member.override;
    if (driver == member.driver && overrideBack)
        return std::nullopt;
    std::string sentence =
        fmt::format("{}: driver is {}, was {}", member.device.str(), named(driver), named(member.driver));
    if (!overrideBack)
        sentence += fmt::format("; driver_override is '{}', was '{}'", nowOverride->value, member.override);
    return failure.empty() ? sentence : sentence + " (" + failure + ')';
}

/// An id catches a device whose override is empty: one that names the driver was bound by who set it, such as
/// the worker of another group.
bool isBoundByOverride(const Sysfs& sysfs, const Device& device) {
    const auto held = readDriverOverride(sysfs, device.address);
    return held && held->value == device.driver;
}

} // namespace

std::vector<StepError> takeBackDynamicIds(Sysfs& sysfs, StepRunner& steps, const Journal& journal) {
    std::vector<StepError> errors;
    for (const auto& [driver, line] : journal.dynamicIds)
        if (auto result = steps.removeId(driver, line); !result)
            errors.push_back(result.error());
    if (journal.dynamicIds.empty())
        return errors;
    const auto topology = Topology::read(sysfs);
    if (!topology) {
        errors.push_back({{Step::Kind::giveBack, {}, {}, true}, topology.error()});
        return errors;
    }
    for (const auto& [address, device] : topology->devices()) {
        const bool member =
            std::ranges::any_of(journal.members, [&](const auto& m) { return m.device == address; });
        const bool before = std::ranges::find(journal.alreadyThere, address) != journal.alreadyThere.end();
        const bool caught = std::ranges::any_of(journal.members, [&](const auto& m) {
            return m.ids == device.ids && !m.toDriver.empty() && m.toDriver == device.driver;
        });
        if (member || before || !caught || isBoundByOverride(sysfs, device))
            continue;
        if (auto result = steps.giveBack(address, device.driver); !result && steps.present(address))
            errors.push_back(result.error());
    }
    return errors;
}

std::vector<std::string> takeBackConsoles(StepRunner& steps, const Journal& journal) {
    std::vector<std::string> warnings;
    for (const auto& console : journal.consoles) {
        if (!steps.isBoundConsole(console)) {
            if (auto result = steps.takeBack(console); !result)
                warnings.push_back(result.error().str());
        } else if (auto noted = steps.noteConsole(console, false); !noted) {
            warnings.push_back(noted.error().str());
        }
    }
    return warnings;
}

std::vector<std::string> restore(Sysfs& sysfs, StepRunner& steps, const Journal& journal) {
    steps.beginUndoing();
    std::vector<std::string> differences;
    for (const auto& error : takeBackDynamicIds(sysfs, steps, journal))
        differences.push_back(error.str());
    for (const auto& member : std::views::reverse(journal.members))
        if (auto difference = restoreMember(sysfs, steps, member))
            differences.push_back(std::move(*difference));
    return differences;
}

} // namespace vfiobind
