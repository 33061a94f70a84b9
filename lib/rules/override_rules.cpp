// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/override_rules.h"

#include "config/selector_index.h"
#include "pci/text.h"
#include "rules/udev_rules.h"
#include "topology/topology.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace vfiobind {
namespace {

/// Exactly this card at this place.
Selector only(const Device& device) {
    return {.address = device.address,
            .id = IdPattern{.vendor = device.ids.vendor, .device = device.ids.device},
            .subsystem = {},
            .path = {}};
}

std::string driverFor(const Rule& rule, const Selector& selector, const AutomaticDriver& automatic) {
    if (rule.driver != "auto")
        return rule.driver;
    const auto& id = selector.id;
    if (!id || !id->vendor || !id->device)
        return "vfio-pci";
    const auto sub = selector.subsystem.value_or(SubsystemPattern{});
    return automatic({.vendor = *id->vendor,
                      .device = *id->device,
                      .subsystemVendor = sub.vendor.value_or(0),
                      .subsystemDevice = sub.device.value_or(0)});
}

/// Whether one device alone does not tell what is to become of it.
bool leftToTheDaemon(const Rule& rule) {
    return rule.when == When::asked || rule.count || rule.method == Method::newId || rule.sriovVfs > 0;
}

bool anyMatches(const std::vector<Selector>& selectors, const Device& device) {
    return std::ranges::any_of(
        selectors, [&](const Selector& selector) { return selector.match(device.facts()) == Match::yes; });
}

/// Whether a selector that is written gives the device this driver anyway. What a rule with `members` knows
/// of is taken with its group only, as long as nothing else is in there.
bool reached(const Policy& policy, const SelectorIndex& index, const TakenDevice& taken,
             const AutomaticDriver& automatic) {
    std::optional<SelectorPlace> first;
    index.visit(taken.device.facts(), [&](SelectorPlace place) {
        const auto& rule = policy.rules[place.rule];
        if (!leftToTheDaemon(rule) && (!first || place < *first) &&
            rule.devices[place.selector].match(taken.device.facts()) == Match::yes)
            first = place;
    });
    if (first) {
        const auto& rule = policy.rules[first->rule];
        return driverFor(rule, rule.devices[first->selector], automatic) == taken.driver;
    }
    return std::ranges::any_of(policy.rules, [&](const Rule& rule) {
        return rule.members && !leftToTheDaemon(rule) && anyMatches(*rule.members, taken.device);
    });
}

/// The endpoints that a rule with `members` knows of.
std::optional<std::vector<Selector>> knownTo(const Rule& rule) {
    if (!rule.members)
        return std::nullopt;
    auto known = rule.devices;
    known.insert(known.end(), rule.members->begin(), rule.members->end());
    return known;
}

void addRule(OverrideRules& result, const Rule& rule, const AutomaticDriver& automatic) {
    if (leftToTheDaemon(rule))
        return;
    if (!udevSafe(rule.name)) {
        result.leftOut.push_back(
            fmt::format("rule {}: it has no name that udev could be given", quote(rule.name)));
        return;
    }
    const auto known = knownTo(rule);
    for (const auto& selector : rule.devices) {
        auto driver = driverFor(rule, selector, automatic);
        if (!udevSafe(driver))
            result.leftOut.push_back(fmt::format("rule {}: {} is no driver's name that udev could be given",
                                                 rule.name, quote(driver)));
        else
            result.rules.push_back({.rule = rule.name,
                                    .selector = selector,
                                    .driver = std::move(driver),
                                    .groupDriver = rule.driver == "auto" ? "vfio-pci" : rule.driver,
                                    .known = known});
    }
}

const OverrideRule* firstThatFits(const std::vector<OverrideRule>& rules, const Device& device) {
    const auto found = std::ranges::find_if(
        rules, [&](const OverrideRule& rule) { return rule.selector.match(device.facts()) == Match::yes; });
    return found == rules.end() ? nullptr : &*found;
}

class NewDevice {
public:
    NewDevice(Sysfs& sysfs, const std::vector<OverrideRule>& rules) : sysfs_(sysfs), rules_(rules) {}

    void come(const Address& address) {
        const auto device = readDevice(sysfs_, address);
        if (!device || !device->endpoint())
            return;
        if (takeBackIn(*device))
            return; // nothing of such a group is set: the daemon says so
        const auto* rule = firstThatFits(rules_, *device);
        if (rule == nullptr)
            return;
        const auto others = rule->groupDriver.empty() ? std::vector<Device>{} : othersInGroup(*device);
        const auto unexpected = [&](const Device& other) { return !anyMatches(*rule->known, other); };
        if (rule->known && std::ranges::any_of(others, unexpected))
            return; // the daemon says so
        override(*device, rule->driver);
        for (const auto& other : others) {
            const auto* own = firstThatFits(rules_, other);
            override(other, own == nullptr ? rule->groupDriver : own->driver);
        }
        // One that came meanwhile was looked at by another thread, perhaps before the writes.
        if (anyHasMembers())
            for (const auto& other : othersInGroup(*device))
                takeBackIn(other);
    }

    NewDeviceOverrides result() && { return std::move(result_); }

private:
    /// The endpoints beside it. The functions of a card are all announced before the first of them is matched
    /// with drivers.
    std::vector<Device> othersInGroup(const Device& matched) {
        std::vector<Device> others;
        if (!matched.group)
            return others;
        const auto members = sysfs_.list(fmt::format("/sys/kernel/iommu_groups/{}/devices", *matched.group));
        if (!members) {
            note(members.error());
            return others;
        }
        for (const auto& name : *members) {
            const auto address = Address::parse(name);
            if (!address || *address == matched.address)
                continue;
            auto device = readDevice(sysfs_, *address);
            if (device && device->endpoint())
                others.push_back(std::move(*device));
        }
        return others;
    }

    bool anyHasMembers() const {
        return std::ranges::any_of(rules_, [](const OverrideRule& rule) { return rule.known.has_value(); });
    }

    /// Takes back what waits in the newcomer's group, if a rule of one of its devices does not know the
    /// newcomer; whether there is such a rule.
    bool takeBackIn(const Device& newcomer) {
        if (!anyHasMembers())
            return false;
        auto group = othersInGroup(newcomer);
        const auto refuses = [&](const Device& member) {
            const auto* rule = firstThatFits(rules_, member);
            return rule != nullptr && rule->known && !anyMatches(*rule->known, newcomer);
        };
        if (std::ranges::none_of(group, refuses))
            return false;
        for (const auto& member : group)
            takeBack(member);
        return true;
    }

    void takeBack(const Device& listed) {
        const auto* rule = firstThatFits(rules_, listed);
        const auto held = readDriverOverride(sysfs_, listed.address);
        if (!held)
            return note(held.error());
        // An override that no rule gives is somebody else's, and one of a device that has got its driver is
        // done.
        const auto now = readDevice(sysfs_, listed.address);
        if (!now || !now->driver.empty() || held->value.empty() || !isOurs(rule, held->value))
            return;
        if (auto written = sysfs_.write(listed.sysfsPath() + "/driver_override", "\n"); !written)
            return note(written.error());
        std::erase_if(result_.set, [&](const auto& entry) { return entry.first == listed.address; });
        result_.takenBack.push_back(listed.address);
    }

    /// Whether the driver is the rule's, or, of a member that no selector fits, one that a rule brings along.
    bool isOurs(const OverrideRule* rule, const std::string& driver) const {
        return rule != nullptr ? rule->driver == driver
                               : std::ranges::any_of(rules_, [&](const OverrideRule& other) {
                                     return other.known && other.groupDriver == driver;
                                 });
    }

    void override(const Device& device, const std::string& driver) {
        if (driver.empty() || !device.driver.empty())
            return;
        const auto held = readDriverOverride(sysfs_, device.address);
        if (!held)
            return note(held.error());
        if (!held->value.empty())
            return; // somebody else's will, or done
        if (auto written = sysfs_.write(device.sysfsPath() + "/driver_override", driver); !written)
            return note(written.error());
        result_.set.emplace_back(device.address, driver);
    }

    void note(SysError error) {
        if (error.code != ENOENT && error.code != ENODEV) // it has gone again
            result_.errors.push_back(std::move(error));
    }

    Sysfs& sysfs_;
    const std::vector<OverrideRule>& rules_;
    NewDeviceOverrides result_;
};

} // namespace

OverrideRules overrideRules(const Policy& policy, const std::vector<TakenDevice>& taken,
                            const std::vector<Device>& left, const AutomaticDriver& automatic) {
    OverrideRules result;
    const SelectorIndex index(policy.rules);
    for (const auto& device : left)
        result.rules.push_back({.rule = {}, .selector = only(device), .driver = {}, .groupDriver = {}});
    for (const auto& device : taken) {
        if (reached(policy, index, device, automatic))
            continue;
        if (udevSafe(device.driver))
            result.rules.push_back(
                {.rule = {}, .selector = only(device.device), .driver = device.driver, .groupDriver = {}});
        else
            result.leftOut.push_back(fmt::format("{}: {} is no driver's name that udev could be given",
                                                 device.device.address.str(), quote(device.driver)));
    }
    for (const auto& rule : policy.rules)
        addRule(result, rule, automatic);
    return result;
}

NewDeviceOverrides overrideNewDevice(Sysfs& sysfs, const std::vector<OverrideRule>& rules,
                                     const Address& address) {
    NewDevice device(sysfs, rules);
    device.come(address);
    return std::move(device).result();
}

} // namespace vfiobind
