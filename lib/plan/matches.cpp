// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/matches.h"

#include "config/selector_index.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind {
namespace {

/// What one rule's selectors, in order, say of a device; the first that holds decides.
void addDevice(RuleMatches& found, const Rule& rule, const Device& device,
               std::span<const SelectorPlace> places) {
    Match best = Match::no;
    const Selector* decisive = nullptr;
    for (const auto& place : places) {
        const auto& selector = rule.devices[place.selector];
        const Match match = selector.match(device.facts());
        if (match == Match::no)
            continue;
        found.found[place.selector] = true;
        if (match == Match::yes && selector.serial)
            found.ofSerial[*selector.serial].insert(device.address);
        if (best == Match::yes)
            continue;
        best = match;
        decisive = &selector;
    }
    if (best == Match::otherCard)
        found.otherCards.emplace(device.address, decisive);
    else if (best == Match::yes && !device.endpoint())
        found.bridges.insert(device.address);
    else if (best == Match::yes && rule.sriovVfs > 0) {
        found.physicalFunctions.insert(device.address);
        found.devices.insert(device.virtualFunctions.begin(), device.virtualFunctions.end());
    } else if (best == Match::yes)
        found.devices.insert(device.address);
}

/// Functions of one card have one number. Virtual functions have addresses of other slots than their card's.
Address cardOf(const Address& address, const Topology& topology) {
    const auto* device = topology.find(address);
    auto card = device != nullptr && device->physicalFunction ? *device->physicalFunction : address;
    card.function = 0;
    return card;
}

/// What says which card a selector means, wherever it is; empty where nothing does.
std::string whatOf(const Selector& selector) {
    if (selector.serial)
        return "the card with serial number " + *selector.serial;
    if (selector.id && selector.id->vendor && selector.id->device)
        return fmt::format("{:04x}:{:04x}", *selector.id->vendor, *selector.id->device);
    return {};
}

/// The endpoints that hang below a bridge, to say what could have been named instead.
std::set<Address> endpointsBelow(const Device& bridge, const Topology& topology) {
    std::set<Address> found;
    for (const auto& [address, device] : topology.devices())
        if (device.endpoint() && device.path.starts_with(bridge.path + '/'))
            found.insert(address);
    return found;
}

} // namespace

Blocker noIommu(const Address& device) {
    return {"no-iommu", device,
            fmt::format("{} has no IOMMU group: the IOMMU is off or does not cover it; switch on VT-d or "
                        "AMD-Vi in the firmware "
                        "and, on Intel, add intel_iommu=on to the kernel command line",
                        device.str())};
}

std::string onlyBridges(const std::set<Address>& bridges, const Topology& topology) {
    std::set<Address> below;
    for (const auto& address : bridges)
        below.merge(endpointsBelow(*topology.find(address), topology));
    return fmt::format("names only bridges ({}), which are never handed over; name a device{}",
                       listed(bridges), below.empty() ? "" : " behind it instead: " + listed(below));
}

std::vector<RuleMatches> matchRules(std::span<const Rule> rules, const Topology& topology) {
    std::vector<RuleMatches> all(rules.size());
    for (std::size_t i = 0; i < rules.size(); ++i)
        all[i].found.resize(rules[i].devices.size());
    const SelectorIndex index(rules);
    for (const auto& [address, device] : topology.devices()) {
        std::vector<SelectorPlace> places;
        index.visit(device.facts(), [&](SelectorPlace place) { places.push_back(place); });
        std::ranges::sort(places);
        for (auto begin = places.begin(); begin != places.end();) {
            const auto end = std::find_if(
                begin, places.end(), [&](const SelectorPlace& place) { return place.rule != begin->rule; });
            addDevice(all[begin->rule], rules[begin->rule], device, {begin, end});
            begin = end;
        }
    }
    return all;
}

Blockers serialsOfSeveralCards(const Rule& rule, const RuleMatches& matches, const Topology& topology) {
    Blockers blockers;
    for (const auto& [serial, devices] : matches.ofSerial) {
        std::set<Address> cards;
        for (const auto& address : devices)
            cards.insert(cardOf(address, topology));
        if (cards.size() < 2)
            continue;
        for (const auto& address : devices)
            blockers.push_back(
                {"ambiguous", address,
                 fmt::format("rule {} names the serial number {}, which several cards have: {}; tell "
                             "them apart by one more key, address or path",
                             rule.name, serial, listed(devices))});
    }
    return blockers;
}

CardFinder::CardFinder(const Topology& topology) : topology_(topology) {
    for (const auto& [address, device] : topology.devices()) {
        if (!device.endpoint())
            continue;
        byWhat_[device.ids.str()].push_back(&device);
        if (!device.serial.empty())
            byWhat_["the card with serial number " + device.serial].push_back(&device);
    }
}

std::string CardFinder::whereNow(const Selector& selector) const {
    auto wanted = selector;
    wanted.address.reset();
    wanted.path.reset();
    const auto what = whatOf(wanted);
    const auto candidates = byWhat_.find(what);
    if (what.empty() || candidates == byWhat_.end())
        return {};
    std::set<Address> places;
    for (const auto* device : candidates->second)
        if (wanted.match(device->facts()) == Match::yes)
            places.insert(device->address);
    return places.empty() ? std::string{} : fmt::format("; {} is at {} now", what, listed(places));
}

std::string listed(const std::set<Address>& addresses) {
    constexpr std::size_t most = 8;
    std::string text;
    std::size_t told = 0;
    for (const auto& address : addresses) {
        if (told++ == most)
            return text + fmt::format(" and {} more", addresses.size() - most);
        text += (text.empty() ? "" : ", ") + address.str();
    }
    return text;
}

} // namespace vfiobind
