// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/rules.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace vfiobind::ctl {
namespace {

/// A claim, and what it is on this machine.
struct Item {
    Claim claim;
    std::set<Address> devices;
    std::set<unsigned> groups;
};

/// With the id another card in the slot is refused, not bound.
Selector completed(Selector selector, const Topology& topology) {
    const auto* device = selector.address ? topology.find(*selector.address) : nullptr;
    if (device != nullptr && (!selector.id || selector.id->matches(device->ids)))
        selector.id = IdPattern{.vendor = device->ids.vendor, .device = device->ids.device};
    return selector;
}

std::vector<Item> itemsOf(const Found& found, const Topology& topology) {
    std::vector<Item> items;
    for (const auto& claim : found.claims) {
        Item item{.claim = claim, .devices = {}, .groups = {}};
        item.claim.selector = completed(claim.selector, topology);
        for (const auto& [address, device] : topology.devices())
            if (device.endpoint() && item.claim.selector.match(device.facts()) == Match::yes) {
                item.devices.insert(address);
                if (device.group)
                    item.groups.insert(*device.group);
            }
        items.push_back(std::move(item));
    }
    return items;
}

template <typename T>
bool meet(const std::set<T>& a, const std::set<T>& b) {
    return std::ranges::any_of(a, [&](const T& one) { return b.contains(one); });
}

bool belongTogether(const Item& a, const Item& b) {
    const bool sameFile = a.claim.place.file == b.claim.place.file && a.claim.name == b.claim.name;
    return (sameFile && a.claim.asked == b.claim.asked) || meet(a.devices, b.devices) ||
           meet(a.groups, b.groups) || a.claim.selector.covers(b.claim.selector) ||
           b.claim.selector.covers(a.claim.selector);
}

/// For each item the first one that it belongs together with, over any number of others.
std::vector<std::size_t> families(const std::vector<Item>& items) {
    std::vector<std::size_t> family(items.size());
    std::iota(family.begin(), family.end(), std::size_t{0});
    for (std::size_t i = 0; i < items.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (family[i] != family[j] && belongTogether(items[i], items[j])) {
                const auto [low, high] = std::minmax(family[i], family[j]);
                std::ranges::replace(family, std::size_t{high}, std::size_t{low});
            }
    return family;
}

std::string freeName(const std::string& wanted, std::set<std::string>& taken) {
    std::string name = wanted;
    for (unsigned n = 2; !taken.insert(name).second; ++n)
        name = fmt::format("{}-{}", wanted, n);
    return name;
}

void addTo(ImportedRule& rule, const Item& item, std::vector<Warning>& warnings) {
    rule.asked = rule.asked && item.claim.asked;
    const auto same = std::ranges::find(rule.devices, item.claim.selector, &ImportedDevice::selector);
    if (same == rule.devices.end())
        rule.devices.push_back({item.claim.selector, {item.claim.place}});
    else if (std::ranges::find(same->places, item.claim.place) == same->places.end())
        same->places.push_back(item.claim.place);
    if (item.claim.driver != rule.driver)
        warnings.push_back(
            {item.claim.place,
             fmt::format("{} is to have the driver {} here, but rule {}, which has what belongs "
                         "together with it, has {}",
                         item.claim.selector.str(), item.claim.driver, rule.name, rule.driver)});
}

void addOptions(const Found& found, ImportedRules& made) {
    for (const auto& option : found.options) {
        const auto [before, fresh] = made.options.try_emplace(option.key, option);
        if (!fresh && before->second.value != option.value)
            made.warnings.push_back(
                {option.place, fmt::format("{} is {} here and {} at {}; this one is taken", option.key,
                                           option.value, before->second.value, before->second.place.str())});
        before->second = option;
        made.optionPlaces[option.key].push_back(option.place);
    }
}

} // namespace

ImportedRules makeRules(const Found& found, const Topology& topology, const std::set<std::string>& taken) {
    ImportedRules made;
    const auto items = itemsOf(found, topology);
    const auto family = families(items);
    auto names = taken;
    std::map<std::size_t, std::size_t> ruleOf; // by family
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto [at, fresh] = ruleOf.try_emplace(family[i], made.rules.size());
        if (fresh)
            made.rules.push_back({.name = freeName(items[i].claim.name, names),
                                  .driver = items[i].claim.driver,
                                  .devices = {}});
        addTo(made.rules[at->second], items[i], made.warnings);
    }
    addOptions(found, made);
    return made;
}

} // namespace vfiobind::ctl
