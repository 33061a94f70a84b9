// SPDX-License-Identifier: LGPL-2.1-or-later
/// A machine with a disk, for the tests of what the host uses of it.
#pragma once

#include "fake/machine.h"
#include "guard/storage.h"

#include <fmt/format.h>
#include <string>
#include <vector>

namespace vfiobind::fakemachine {

inline const auto disk = Address::parse("0000:05:00.0").value();

/// Without a number it is one path of several to an NVMe disk.
inline void putBlock(FakeKernel& kernel, const std::string& name, const std::string& place,
                     const std::string& number) {
    const auto folder = "/sys/devices/" + place;
    kernel.putDirectory(folder + "/holders");
    if (number.empty())
        kernel.putFile(folder + "/dev", "\n");
    else
        kernel.addNode({place, "block", number, name});
    kernel.putLink("/sys/class/block/" + name, "../../devices/" + place);
}

inline const std::string nvme = "pci0000:00/0000:00:03.0/0000:05:00.0/nvme/nvme0/nvme0n1";

/// nvme0n1 with two partitions, of a host whose root is elsewhere.
inline FakeKernel withDisk() {
    auto kernel = machine();
    putBlock(kernel, "nvme0n1", nvme, "259:0");
    putBlock(kernel, "nvme0n1p1", nvme + "/nvme0n1p1", "259:1");
    putBlock(kernel, "nvme0n1p2", nvme + "/nvme0n1p2", "259:2");
    kernel.putFile("/proc/swaps", "Filename\tType\n");
    kernel.putFile("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=UUID=1234 ro\n");
    kernel.putFile("/proc/self/mountinfo",
                   "20 1 0:19 / /sys rw - sysfs sysfs rw\n21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    return kernel;
}

/// Something is built upon a block device.
inline void build(FakeKernel& kernel, const std::string& below, const std::string& name,
                  const std::string& number, const std::string& dmName = {}, const std::string& dmUuid = {}) {
    putBlock(kernel, name, "virtual/block/" + name, number);
    kernel.putLink("/sys/class/block/" + below + "/holders/" + name, "../../x/" + name);
    if (dmName.empty())
        return;
    kernel.putFile("/sys/class/block/" + name + "/dm/name", dmName + "\n");
    kernel.putFile("/sys/class/block/" + name + "/dm/uuid", dmUuid + "\n");
}

/// dm-0 lies on the second partition.
inline FakeKernel withVolume() {
    auto kernel = withDisk();
    build(kernel, "nvme0n1p2", "dm-0", "254:0");
    return kernel;
}

inline void mount(FakeKernel& kernel, const std::string& line) {
    kernel.putFile("/proc/self/mountinfo", kernel.read("/proc/self/mountinfo").value() + '\n' + line + '\n');
}

inline Blockers blockersOf(const Sysfs& sysfs, const Address& device) {
    Programs programs(sysfs);
    return storageBlockers(sysfs, device, programs);
}

inline void open(FakeKernel& kernel, int pid, const std::string& program, const std::string& number) {
    kernel.openNode({.pid = pid, .program = program, .number = number, .block = true, .fd = 9});
}

inline std::vector<std::string> sentences(const Sysfs& kernel) {
    std::vector<std::string> list;
    for (const auto& blocker : blockersOf(kernel, disk))
        list.push_back(blocker.str());
    return list;
}

} // namespace vfiobind::fakemachine
