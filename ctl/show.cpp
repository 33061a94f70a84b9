// SPDX-License-Identifier: LGPL-2.1-or-later
/// renderShow() of render.h.
#include "lines.h"
#include "render.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vfiobind::ctl {

namespace {

void addFunctions(Lines& lines, const Snapshot& snapshot, const DeviceState& device) {
    if (!device.physicalFunction.empty() && device.physicalFunction != "/")
        lines.field(4, "function of", addressAt(snapshot, device.physicalFunction));
    std::vector<std::string> functions;
    for (const std::string& path : device.virtualFunctions)
        functions.push_back(addressAt(snapshot, path));
    lines.field(4, "functions", fmt::format("{}", fmt::join(functions, " ")));
}

void addDevice(Lines& lines, const Snapshot& snapshot, const DeviceState& device) {
    const std::string name =
        cut(printable(device.name()), lines.left(3 + displayWidth(device.address)), lines.style().unicode);
    lines.raw("  " + lines.style().paint(Colour::bold, device.address) + (name.empty() ? "" : " " + name));
    lines.field(4, "id",
                fmt::format("{}, subsystem {:04x}:{:04x}, class {:06x}", device.id(), device.subsystemVendor,
                            device.subsystemDevice, device.classCode));
    lines.field(4, "driver", device.driver.empty() ? "none" : device.driver);
    lines.field(4, "override", device.driverOverride);
    lines.field(4, "native modules", fmt::format("{}", fmt::join(device.nativeModules, " ")));
    lines.field(4, "bridge path", device.path);
    lines.field(4, "serial number", device.serial);
    lines.field(4, "resets by",
                device.resetMethods.empty() ? "nothing"
                                            : fmt::format("{}", fmt::join(device.resetMethods, " ")));
    lines.field(4, "NUMA node", device.numaNode < 0 ? "" : fmt::format("{}", device.numaNode));
    lines.field(4, "boot display", device.bootVga ? "yes" : "");
    lines.field(4, "VFIO device", device.vfioDevice);
    addFunctions(lines, snapshot, device);
}

void addJob(Lines& lines, const JobState& job) {
    lines.field(2, "job", fmt::format("{} {}, {}", job.kind, job.id, job.state),
                job.state == "stuck" ? Colour::red : Colour::none);
    for (const auto& [step, result] : job.steps)
        lines.field(2, "", result.empty() ? step : step + ": " + result);
}

void addGroup(Lines& lines, const Snapshot& snapshot, const GroupState& group) {
    const Style& style = lines.style();
    const std::string state = printable(group.state);
    lines.raw(style.paint(Colour::bold, fmt::format("group/{}", group.number)) + " " +
              style.paint(stateColour(state), state));
    lines.field(2, "rule", group.rule);
    lines.field(2, "driver", group.driver);
    lines.field(2, "node", group.node);
    lines.field(2, "type", group.type);
    lines.field(2, "viable", group.viable ? "yes" : "no");
    for (const HolderState& holder : group.holders)
        lines.field(2, "in use by", fmt::format("{} (pid {})", holder.command, holder.pid));
    for (const LeaseState& lease : group.leases)
        lines.field(2, "lease", leaseText(lease));
    for (const BlockerState& blocker : group.blockers)
        lines.field(2, "blocker", blocker.code + ": " + blocker.sentence, Colour::yellow);
    lines.field(2, "last error", group.lastError, Colour::red);
    if (const auto job = snapshot.jobs.find(group.job); job != snapshot.jobs.end())
        addJob(lines, job->second);
    for (const DeviceState* device : snapshot.members(group))
        addDevice(lines, snapshot, *device);
}

} // namespace

std::string renderShow(const Snapshot& snapshot, const Touched& touched, const Style& style) {
    Lines lines(style);
    for (const GroupState* group : touched.groups)
        addGroup(lines, snapshot, *group);
    if (!touched.groupless.empty())
        lines.raw(style.paint(Colour::bold, "in no IOMMU group"));
    for (const DeviceState* device : touched.groupless)
        addDevice(lines, snapshot, *device);
    return lines.take();
}

} // namespace vfiobind::ctl
