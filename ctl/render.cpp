// SPDX-License-Identifier: LGPL-2.1-or-later
#include "render.h"

#include "lines.h"
#include "pci/text.h"

#include <algorithm>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <span>

namespace vfiobind::ctl {

namespace {

constexpr unsigned indentColumns = 7;
constexpr unsigned stateColumns = 10;

using Groups = std::vector<const GroupState*>;

void addHead(Lines& lines, const Snapshot& snapshot) {
    const ManagerState& manager = snapshot.manager;
    const bool none = manager.iommu.empty() || manager.iommu == "none";
    lines.sentence(
        0, fmt::format("vfio-bind {}, {}, {} in force", manager.version,
                       none ? "no IOMMU" : "IOMMU: " + manager.iommu,
                       manager.rules.size() == 1 ? "1 rule" : fmt::format("{} rules", manager.rules.size())));
    if (!manager.configError.empty()) {
        const auto errors = split(manager.configError, '\n'); // one a line
        lines.sentence(0, "configuration error: " + std::string(errors.front()), Colour::red);
        for (const auto error : std::span(errors).subspan(1))
            lines.sentence(0, error, Colour::red);
        lines.sentence(0,
                       manager.rules.empty() ? "No rule is in force until it is mended and reloaded."
                                             : "The rules that were read before it are still in force.",
                       Colour::red);
    }
    for (const auto& warning : manager.warnings)
        lines.sentence(0, "warning: " + warning, Colour::yellow);
    if (none)
        lines.sentence(
            0,
            "There is no IOMMU, or it is off, so no device can be handed to VFIO. Switch on VT-d or AMD-Vi "
            "(SVM, IOMMU) in the firmware, and on Intel boot with intel_iommu=on.",
            Colour::yellow);
    if (manager.noIommu)
        lines.sentence(0, "vfio's unsafe no-IOMMU mode is on: devices are not isolated.", Colour::yellow);
}

/// A fleet's policy can have a file for each of its machines: they are listed with --all only.
void addAbsentFiles(Lines& lines, const std::vector<AbsentFile>& files, bool all) {
    if (files.size() > 1 && !all)
        lines.sentence(0, fmt::format("{} files of the configuration count as absent, since their [match] "
                                      "does not hold here; --all shows them.",
                                      files.size()));
    else
        for (const auto& [file, why] : files)
            lines.sentence(0, fmt::format("{} counts as absent: {}.", file, why));
}

void addDevice(Lines& lines, const DeviceState& device, unsigned driverColumns) {
    const std::string driver = device.driver.empty() ? "-" : device.driver;
    const std::string head =
        fmt::format("{}{} [{}] {}", std::string(indentColumns, ' '), shortAddress(device.address),
                    device.id(), pad(printable(driver), driverColumns));
    const std::string name =
        cut(printable(device.name()), lines.left(displayWidth(head) + 1), lines.style().unicode);
    const std::string line = name.empty() ? head : head + " " + name;
    lines.raw(line.substr(0, line.find_last_not_of(' ') + 1));
}

void addJob(Lines& lines, const Snapshot& snapshot, const GroupState& group) {
    const auto found = snapshot.jobs.find(group.job);
    if (found == snapshot.jobs.end())
        return;
    const JobState& job = found->second;
    std::string text = fmt::format("job {}: {}", job.id, job.kind);
    if (!job.steps.empty())
        text += fmt::format(", step {}: {}", job.steps.size(), job.steps.back().first);
    lines.sentence(indentColumns, text, job.state == "stuck" ? Colour::red : Colour::none);
}

void addGroupNotes(Lines& lines, const Snapshot& snapshot, const GroupState& group) {
    for (const BlockerState& blocker : group.blockers)
        lines.sentence(indentColumns, blocker.code + ": " + blocker.sentence, Colour::yellow);
    if (!group.lastError.empty())
        lines.sentence(indentColumns, "last error: " + group.lastError, Colour::red);
    if (group.state == "bound" && !group.viable)
        lines.sentence(
            indentColumns,
            "not viable: a member has a driver that VFIO does not allow in the group, so a virtual machine "
            "cannot open it",
            Colour::yellow);
    for (const HolderState& holder : group.holders)
        lines.sentence(indentColumns, fmt::format("in use by {} (pid {})", holder.command, holder.pid));
    for (const LeaseState& lease : group.leases)
        lines.sentence(indentColumns, leaseText(lease));
    addJob(lines, snapshot, group);
}

unsigned widestDriver(const Snapshot& snapshot, const Groups& groups) {
    unsigned result = 1;
    for (const GroupState* group : groups)
        for (const DeviceState* device : snapshot.members(*group))
            result = std::max(result, displayWidth(printable(device->driver)));
    return std::min(result, 20U);
}

void addTable(Lines& lines, const Snapshot& snapshot, const Groups& groups) {
    const Style& style = lines.style();
    const unsigned driverColumns = widestDriver(snapshot, groups);
    lines.raw(style.paint(Colour::bold, fmt::format("GROUP  {} RULE", pad("STATE", stateColumns))));
    for (const GroupState* group : groups) {
        const std::string state = printable(group->state);
        const std::string rule =
            cut(printable(group->rule), lines.left(indentColumns + stateColumns + 1), style.unicode);
        // A line without a rule has no spaces at its end.
        const std::string shown =
            style.paint(stateColour(state), state) +
            (rule.empty() ? ""
                          : pad("", stateColumns + 1 - std::min(displayWidth(state), stateColumns)) + rule);
        lines.raw(fmt::format("{:>5}  {}", group->number, shown));
        for (const DeviceState* device : snapshot.members(*group))
            addDevice(lines, *device, driverColumns);
        addGroupNotes(lines, snapshot, *group);
    }
}

/// Rules that take no group today (case 62) are said: a wrong digit in a selector looks just so.
void addIdleRules(Lines& lines, const Snapshot& snapshot) {
    for (const IdleRule& idle : snapshot.idleRules) {
        std::vector<std::string> addresses;
        for (const std::string& path : idle.matches)
            addresses.push_back(addressAt(snapshot, path));
        const std::string sentence =
            addresses.empty()
                ? fmt::format("Rule {} matches nothing today ({}); it waits for a device to be plugged in.",
                              idle.rule.name, fmt::join(idle.rule.selectors, ", "))
                : fmt::format("Rule {} matches {}, but takes no IOMMU group today.", idle.rule.name,
                              fmt::join(addresses, ", "));
        lines.sentence(0, sentence, Colour::yellow);
    }
}

void addGroupless(Lines& lines, const Snapshot& snapshot, bool all) {
    const auto devices = snapshot.groupless();
    if (devices.empty() || !all)
        return;
    lines.raw(lines.style().paint(Colour::bold, "Devices in no IOMMU group"));
    unsigned driverColumns = 1;
    for (const DeviceState* device : devices)
        driverColumns = std::max(driverColumns, displayWidth(printable(device->driver)));
    for (const DeviceState* device : devices)
        addDevice(lines, *device, std::min(driverColumns, 20U));
}

} // namespace

Colour stateColour(std::string_view state) {
    if (state == "bound")
        return Colour::green;
    if (state == "partial" || state == "drifted" || state == "blocked")
        return Colour::yellow;
    if (state == "stuck")
        return Colour::red;
    return Colour::none;
}

std::string shortAddress(std::string_view address) {
    if (address.starts_with("0000:"))
        address.remove_prefix(5);
    return std::string(address);
}

std::string leaseText(const LeaseState& lease) {
    const auto seconds = static_cast<std::time_t>(lease.since / 1'000'000);
    std::tm local{};
    localtime_r(&seconds, &local);
    const passwd* const user = getpwuid(lease.uid);
    return fmt::format("leased by {} since {:%F %T}",
                       user != nullptr ? user->pw_name : fmt::format("uid {}", lease.uid), local);
}

std::string renderStatus(const Snapshot& snapshot, const Style& style, bool all) {
    Lines lines(style);
    addHead(lines, snapshot);
    Groups shown;
    for (const GroupState* group : snapshot.groupsInOrder())
        if (all || group->ofInterest())
            shown.push_back(group);
    if (!shown.empty()) {
        lines.raw("");
        addTable(lines, snapshot, shown);
    }
    lines.raw("");
    addGroupless(lines, snapshot, all);
    addAbsentFiles(lines, snapshot.manager.absentFiles, all);
    addIdleRules(lines, snapshot);
    const std::size_t hidden = snapshot.groups.size() - shown.size();
    if (shown.empty() && !snapshot.groups.empty())
        lines.sentence(0, "No group is bound and no rule asks for one.");
    if (hidden > 0)
        lines.sentence(0, hidden == 1 ? "1 other group is native; --all shows it."
                                      : fmt::format("{} other groups are native; --all shows them.", hidden));
    std::string text = lines.take();
    if (text.ends_with("\n\n"))
        text.pop_back();
    return text;
}

std::string renderCheck(const std::string& target, const CheckResult& check, const Style& style) {
    Lines lines(style);
    if (!check.possible)
        lines.sentence(0, fmt::format("{} cannot be bound:", target), Colour::yellow);
    else if (check.steps.empty())
        lines.sentence(0, fmt::format("{} is as wanted, nothing would be done.", target), Colour::green);
    else
        lines.sentence(0, fmt::format("{} can be bound:", target), Colour::green);
    for (const BlockerState& blocker : check.blockers)
        lines.sentence(2, blocker.code + ": " + blocker.sentence, Colour::yellow);
    for (const std::string& step : check.steps)
        lines.sentence(2, step);
    return lines.take();
}

} // namespace vfiobind::ctl
