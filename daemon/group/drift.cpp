// SPDX-License-Identifier: LGPL-2.1-or-later
#include "group/drift.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// Pauses before each time that `keep = true` takes the group back. After the last one the group is left
/// alone until somebody asks, so that two programs do not fight.
constexpr std::array<std::chrono::seconds, 4> takeBackPauses{1s, 5s, 25s, 125s};
/// If the group stays the daemon's for so long, no other program fights for it, and the count starts anew.
constexpr auto peace = 10min;

/// Returns who took the device, for a sentence. driverctl(8) keeps a file for each device that it moved; the
/// kernel does not say who wrote to it, and libvirt and people leave no trace.
std::string whoTakes(const Sysfs& sysfs, const Address& address) {
    for (const auto* prefix : {"/etc/driverctl.d/", "/etc/driverctl.d/pci-"})
        if (const auto file = prefix + address.str(); sysfs.exists(file))
            return "driverctl (" + file + ")";
    return "another program";
}

} // namespace

unsigned Drift::lostMembers() const {
    const auto* owned = around_.intent.owned(group_);
    if (owned == nullptr)
        return 0;
    const auto wanted = around_.intent.wanted(group_);
    const auto driver = wanted ? wanted->driver : std::string("auto");
    const auto& machine = around_.machine;
    return static_cast<unsigned>(
        std::ranges::count_if(machine.topology().endpoints(group_), [&](const Device* device) {
            return owned->native.contains(device->address) && !machine.isHandedOver(*device, driver);
        }));
}

std::string Drift::describe() const {
    const auto& machine = around_.machine;
    const auto* owned = around_.intent.owned(group_);
    if (owned == nullptr || !machine.hasGroup(group_))
        return {};
    std::string text;
    const auto add = [&text](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
    const auto wanted = around_.intent.wanted(group_);
    for (const auto& address : machine.topology().findGroup(group_)->members) {
        const auto& device = *machine.topology().find(address);
        const bool handed = machine.isHandedOver(device, wanted ? wanted->driver : "auto");
        const auto driver = device.driver.empty() ? std::string("no driver") : device.driver;
        if (device.endpoint() && owned->native.contains(address) && !handed)
            add(fmt::format("{} is on {}: {} took it from VFIO", address.str(), driver,
                            whoTakes(machine.sysfs(), address)));
        else if (!device.endpoint() && !keepsGroupViable(device))
            add(fmt::format("{} is on {}, so group {} is not viable any more", address.str(), driver,
                            group_));
    }
    return text;
}

bool Drift::look() {
    auto now = describe();
    if (now.empty() && sentence_.empty())
        return false;
    const bool differs = now != sentence_;
    if (differs && !now.empty())
        spdlog::warn("group {}: {}", group_, now);
    else if (differs && around_.intent.owned(group_) != nullptr)
        spdlog::info("group {}: all members are on VFIO again", group_);
    sentence_ = std::move(now);
    if (sentence_.empty())
        next_.reset();
    else
        schedule();
    return differs;
}

void Drift::schedule() {
    const auto wanted = around_.intent.wanted(group_);
    const bool keep = wanted && wanted->keep && wanted->action == Action::bind;
    if (!keep || next_ || lostMembers() == 0)
        return;
    if (takenBack_ > 0 && std::chrono::steady_clock::now() - last_ > peace)
        takenBack_ = 0;
    if (takenBack_ == takeBackPauses.size()) {
        spdlog::warn(
            "group {}: taken back {} times, and taken away again; it is left alone until somebody asks",
            group_, takenBack_);
        return;
    }
    // While a VM holds the group it is not taken back. No event announces the VM's end, so the group is
    // looked at again, less and less often.
    const auto pause =
        takeBackPauses.at(std::min<std::size_t>(takenBack_ + tries_, takeBackPauses.size() - 1));
    spdlog::info("group {}: it is taken back in {} s if nobody holds it", group_, pause.count());
    next_ = around_.loop.timer(pause, [this] { takeBack(); });
}

void Drift::takeBack() {
    next_.reset();
    const auto wanted = around_.intent.wanted(group_);
    if (!wanted || !wanted->keep || lostMembers() == 0)
        return;
    ++tries_;
    around_.undertake(group_, *wanted, true);
}

void Drift::takenBack() {
    ++takenBack_;
    tries_ = 0;
    last_ = std::chrono::steady_clock::now();
}

void Drift::forgive() {
    takenBack_ = 0;
    tries_ = 0;
}

} // namespace vfiobind
