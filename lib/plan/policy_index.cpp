// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/policy_index.h"

#include <algorithm>
#include <optional>

namespace vfiobind {

namespace {

bool meansOneCard(const Selector& selector) {
    const bool hasPlace = selector.address || selector.path;
    return hasPlace && (selector.serial || (selector.id && selector.id->vendor && selector.id->device));
}

/// The selector without its place: a rule whose card is elsewhere says where.
Selector anywhere(const Selector& selector) {
    return {.address = {},
            .id = selector.id,
            .subsystem = selector.subsystem,
            .path = {},
            .serial = selector.serial};
}

} // namespace

PolicyIndex::PolicyIndex(const Policy& policy) {
    for (const auto& rule : policy.rules) {
        named_.rules.push_back({.devices = rule.devices});
        for (const auto& selector : rule.devices)
            if (meansOneCard(selector))
                named_.rules.back().devices.push_back(anywhere(selector));
        if (!rule.members)
            continue;
        known_.rules.push_back({.devices = rule.devices});
        auto& known = known_.rules.back().devices;
        known.insert(known.end(), rule.members->begin(), rule.members->end());
    }
    for (auto* indexed : {&named_, &known_})
        indexed->index = SelectorIndex(indexed->rules);
}

Match PolicyIndex::Indexed::best(const DeviceFacts& facts) const {
    auto best = Match::no;
    index.visit(facts, [&](SelectorPlace place) {
        if (best != Match::yes)
            if (const auto match = rules[place.rule].devices[place.selector].match(facts); match != Match::no)
                best = match;
    });
    return best;
}

bool PolicyIndex::concerns(const Topology& topology, const Device& device) const {
    if (named_.best(device.facts()) != Match::no)
        return true;
    const auto* physicalFunction =
        device.physicalFunction ? topology.find(*device.physicalFunction) : nullptr;
    if (physicalFunction != nullptr && named_.best(physicalFunction->facts()) != Match::no)
        return true;
    // What comes to a group of which not all is known is looked at, whatever it is.
    return device.group && std::ranges::any_of(topology.endpoints(*device.group), [&](const Device* other) {
               return other->address != device.address && known_.best(other->facts()) == Match::yes;
           });
}

} // namespace vfiobind
