// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/root_disk.h"

#include "guard/command_line.h"
#include "guard/look.h"
#include "guard/mounts.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace vfiobind {
namespace {

/// Whose disks a name of a block device can mean.
enum class Disks { nvme, virtio, scsi, none, anyones };

struct Prefix {
    std::string_view text;
    Disks disks;
};
/// As the kernel's drivers name their disks, and udev its links to them. What is neither here nor a volume's
/// name hangs on no disk controller.
constexpr std::array<Prefix, 13> prefixes{{{"/dev/nvme", Disks::nvme},
                                           {"/dev/vd", Disks::virtio},
                                           {"/dev/sd", Disks::scsi},
                                           {"/dev/sr", Disks::scsi},
                                           {"/dev/hd", Disks::scsi},
                                           {"/dev/mmcblk", Disks::none},
                                           {"/dev/xvd", Disks::none},
                                           {"/dev/nbd", Disks::none},
                                           {"/dev/pmem", Disks::none},
                                           {"/dev/disk/by-id/nvme-", Disks::nvme},
                                           {"/dev/disk/by-id/virtio-", Disks::virtio},
                                           {"/dev/disk/by-id/ata-", Disks::scsi},
                                           {"/dev/disk/by-id/mmc-", Disks::none}}};

Disks disksOf(std::string_view value) {
    const auto found =
        std::ranges::find_if(prefixes, [&](const Prefix& one) { return value.starts_with(one.text); });
    // /dev/sdata/root is a volume of the group sdata.
    const bool volume = !value.starts_with("/dev/disk/") && value.rfind('/') != value.find('/', 1);
    return found == prefixes.end() || volume ? Disks::anyones : found->disks;
}

bool mayHold(Disks disks, const Ids& ids) {
    constexpr std::uint16_t nvmeClass = 0x0108;
    constexpr std::uint16_t raidClass = 0x0104;
    constexpr std::uint16_t intel = 0x8086;
    constexpr std::uint16_t redHat = 0x1af4;
    constexpr std::array<std::uint16_t, 2> virtioBlock{0x1001, 0x1042}; // include/uapi/linux/virtio_ids.h
    const bool nvme = ids.classId() == nvmeClass;
    const bool virtio =
        ids.vendor == redHat && std::ranges::find(virtioBlock, ids.device) != virtioBlock.end();
    switch (disks) {
    case Disks::nvme: // also behind Intel's VMD
        return nvme || (ids.vendor == intel && ids.classId() == raidClass);
    case Disks::virtio:
        return virtio;
    case Disks::scsi:
        return !nvme && !virtio;
    case Disks::none:
        return false;
    case Disks::anyones:
        return true;
    }
    return true;
}

bool isDiskController(const Device& device) {
    return device.endpoint() && device.ids.baseClass() == pciclass::storage;
}

/// Why the value may mean a disk of the controller; empty where it does not, or where that is a guess.
std::string whyRoot(const Topology& topology, const Device& device, std::string_view value) {
    if (value.starts_with("/dev/disk/by-path/"))
        return value.contains("pci-" + device.address.str()) ? "names a disk of it" : "";
    const auto disks = disksOf(value);
    if (!mayHold(disks, device.ids))
        return {};
    if (disks != Disks::anyones)
        return "may name a disk of it";
    const bool another = std::ranges::any_of(topology.devices(), [&](const auto& entry) {
        return entry.first != device.address && isDiskController(entry.second);
    });
    return another ? "" : "names a disk, and there is no other disk controller";
}

} // namespace

Blockers unseenRootBlockers(const Sysfs& sysfs, const Topology& topology, const Device& device,
                            Programs& programs) {
    if (!isDiskController(device) || device.onVfio())
        return {};
    const auto nodes = classEntriesBelow(sysfs, "block", device.address);
    if (!nodes || !nodes->empty())
        return {}; // the disks themselves tell more
    const auto line = readIfThere(sysfs, "/proc/cmdline");
    if (!line)
        return rootIsMounted(readMounts(programs))
                   ? Blockers{}
                   : Blockers{cannotTell("mounted", device.address,
                                         device.address.str() + " holds the root file system", line.error())};
    const auto value = kernelParameter(*line, "root");
    if (!value || !namesDisk(*value) || namedBlockDevice(sysfs, *value))
        return {};
    const auto why = whyRoot(topology, device, *value);
    if (why.empty() || rootIsMounted(readMounts(programs)))
        return {};
    return {{"mounted", device.address,
             fmt::format("whether {} holds the root file system cannot be told: root={} of the kernel's "
                         "command line {}, and its disks are not to be seen yet; it is looked at again when "
                         "the root file system is mounted",
                         device.address.str(), printable(*value), why),
             false}};
}

} // namespace vfiobind
