// SPDX-License-Identifier: LGPL-2.1-or-later
// What other programs do to groups that are ours: libvirt's managed='yes', driverctl, a hand.
#include "core.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// With keep = true the group is taken back after these, then left alone until somebody asks: never a fight.
constexpr std::array<std::chrono::seconds, 4> pauses{1s, 5s, 25s, 125s};
/// A group that stayed ours so long was not fought for.
constexpr auto peace = 10min;

/// The kernel does not tell who wrote to it. driverctl(8) leaves a file for each device that it moves, until
/// its unset-override; libvirt and a hand leave nothing.
std::string whoTakes(const Sysfs& sysfs, const Address& address) {
    for (const auto* prefix : {"/etc/driverctl.d/", "/etc/driverctl.d/pci-"})
        if (const auto file = prefix + address.str(); sysfs.exists(file))
            return "driverctl (" + file + ")";
    return "another program";
}

} // namespace

/// What is not as we left it, as a sentence; empty where all is.
std::string Core::driftOf(unsigned group) const {
    const auto* entry = ledger_.find(group);
    if (entry == nullptr || !entry->owned || topology_.findGroup(group) == nullptr)
        return {};
    std::string text;
    const auto add = [&text](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
    const auto wanted = wantedFor(group);
    const auto named = !wanted || wanted->driver == "auto" ? std::string{} : drivers_.resolve(wanted->driver);
    for (const auto& address : topology_.findGroup(group)->members) {
        const auto& device = *topology_.find(address);
        const bool handed = named.empty() ? isVfioDriver(device.driver) : device.driver == named;
        const auto driver = device.driver.empty() ? std::string("no driver") : device.driver;
        if (device.endpoint() && entry->owned->native.contains(address) && !handed)
            add(fmt::format("{} is on {}: {} took it from VFIO", address.str(), driver,
                            whoTakes(sysfs_, address)));
        else if (!device.endpoint() && !keepsGroupViable(device.driver))
            add(fmt::format("{} is on {}, so group {} is not viable any more", address.str(), driver, group));
    }
    return text;
}

void Core::watchDrift(unsigned group) {
    if (running_.contains(group))
        return; // what moves is our own doing; its end is looked at
    const auto now = driftOf(group);
    const auto known = records_.find(group);
    if (now.empty() && (known == records_.end() || known->second.drift.empty()))
        return;
    auto& record = records_[group];
    if (record.drift != now) {
        if (!now.empty())
            spdlog::warn("group {}: {}", group, now);
        else if (stateInputs(group).owned)
            spdlog::info("group {}: all members are on VFIO again", group);
        if (!now.empty() || record.lastError == record.drift)
            record.lastError = now;
        record.drift = now;
        changes_.groups.insert(group);
    }
    if (now.empty())
        record.takeBack.reset();
    else
        scheduleTakeBack(group);
}

void Core::scheduleTakeBack(unsigned group) {
    auto& record = records_[group];
    const auto wanted = wantedFor(group);
    const bool keep = wanted && wanted->keep && wanted->action == Action::bind;
    if (!keep || record.takeBack || stateInputs(group).lost == 0)
        return;
    if (record.takenBack > 0 && std::chrono::steady_clock::now() - record.lastTakeBack > peace)
        record.takenBack = 0;
    if (record.takenBack == pauses.size()) {
        spdlog::warn(
            "group {}: taken back {} times, and taken away again; it is left alone until somebody asks",
            group, record.takenBack);
        return;
    }
    // While a VM holds it nothing is taken, and no event tells of its end: it is looked at again, less and
    // less often.
    const auto pause =
        pauses.at(std::min<std::size_t>(record.takenBack + record.takeBackTries, pauses.size() - 1));
    spdlog::info("group {}: it is taken back in {} s if nobody holds it", group, pause.count());
    record.takeBack = loop_.timer(pause, [this, group] { takeBack(group); });
}

void Core::takeBack(unsigned group) {
    auto& record = records_[group];
    record.takeBack.reset();
    const auto wanted = wantedFor(group);
    if (!wanted || !wanted->keep || running_.contains(group) || stateInputs(group).lost == 0)
        return;
    ++record.takeBackTries;
    auto undertaking = std::make_shared<Undertaking>();
    undertaking->takesBack = true;
    undertaking->groups.emplace(group, *wanted);
    begin(undertaking);
}

/// Somebody asks: what was refused, or given up, may be tried again.
void Core::forgetRefusals(Record& record) {
    record.refused.reset();
    record.takenBack = 0;
    record.takeBackTries = 0;
}

} // namespace vfiobind
