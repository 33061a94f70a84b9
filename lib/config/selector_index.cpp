// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/selector_index.h"

#include <fmt/format.h>

namespace vfiobind {
namespace {

/// What a selector with nothing to look up by is filed under, a class say.
constexpr auto anything = "";

std::string idKey(std::uint16_t vendor, std::uint16_t device) {
    return fmt::format("id {:04x}:{:04x}", vendor, device);
}

std::string subsystemKey(std::uint16_t vendor, std::uint16_t device) {
    return fmt::format("subsystem {:04x}:{:04x}", vendor, device);
}

std::string vendorKey(std::uint16_t vendor) {
    return fmt::format("vendor {:04x}", vendor);
}

/// Those that fewest devices have come first.
std::vector<std::string> keysOf(const Selector& selector) {
    std::vector<std::string> keys;
    if (selector.address)
        keys.push_back("address " + selector.address->str());
    if (selector.path)
        keys.push_back("path " + *selector.path);
    if (selector.serial)
        keys.push_back("serial " + *selector.serial);
    if (selector.id && selector.id->vendor && selector.id->device)
        keys.push_back(idKey(*selector.id->vendor, *selector.id->device));
    if (selector.subsystem && selector.subsystem->vendor && selector.subsystem->device)
        keys.push_back(subsystemKey(*selector.subsystem->vendor, *selector.subsystem->device));
    if (selector.id && selector.id->vendor)
        keys.push_back(vendorKey(*selector.id->vendor));
    keys.emplace_back(anything);
    return keys;
}

std::vector<std::string> keysOf(const DeviceFacts& facts) {
    return {"address " + facts.address.str(),
            "path " + std::string(facts.path),
            "serial " + std::string(facts.serial),
            idKey(facts.ids.vendor, facts.ids.device),
            subsystemKey(facts.ids.subsystemVendor, facts.ids.subsystemDevice),
            vendorKey(facts.ids.vendor),
            anything};
}

} // namespace

SelectorIndex::SelectorIndex(std::span<const Rule> rules) {
    for (std::size_t rule = 0; rule < rules.size(); ++rule)
        for (std::size_t i = 0; i < rules[rule].devices.size(); ++i)
            byFirstKey_[keysOf(rules[rule].devices[i]).front()].push_back({rule, i});
}

void SelectorIndex::add(SelectorPlace place, const Selector& selector) {
    const auto keys = keysOf(selector);
    byFirstKey_[keys.front()].push_back(place);
    for (const auto& key : keys)
        byEachKey_[key].push_back(place);
}

void SelectorIndex::visit(const DeviceFacts& facts, const std::function<void(SelectorPlace)>& visitor) const {
    for (const auto& key : keysOf(facts))
        if (const auto bucket = byFirstKey_.find(key); bucket != byFirstKey_.end())
            for (const auto& place : bucket->second)
                visitor(place);
}

void SelectorIndex::visitRelated(const Selector& selector,
                                 const std::function<void(SelectorPlace)>& visitor) const {
    const auto visitAll = [&](const Buckets& buckets, const std::string& key) {
        if (const auto bucket = buckets.find(key); bucket != buckets.end())
            for (const auto& place : bucket->second)
                visitor(place);
    };
    // A selector that covers this one has no key that this one lacks.
    const auto keys = keysOf(selector);
    for (const auto& key : keys)
        visitAll(byFirstKey_, key);
    // One that is covered has every key that this one has.
    visitAll(byEachKey_, keys.front());
}

} // namespace vfiobind
