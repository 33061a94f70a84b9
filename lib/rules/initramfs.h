// SPDX-License-Identifier: LGPL-2.1-or-later
/// The image that the machine starts from: what it holds of the configuration may be older than the files.
#pragma once

#include "sysfs/sysfs.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// When a file was last changed, in seconds since the epoch; none where it is not there. RealSysfs has no
/// times.
using ChangeTime = std::function<std::optional<std::int64_t>(const std::string& path)>;

/// The later of stat(2)'s st_mtime and st_ctime.
std::optional<std::int64_t> changeTime(const std::string& path);

struct Initramfs {
    std::string path;      ///< `/boot/initrd.img-6.1.0-1-amd64`
    std::string command;   ///< builds it anew
    std::string newerFile; ///< a file of the configuration that was changed after it was built; empty: none
};

/// The running kernel's image, where its builder takes vfio-bind's part in (initramfs-tools, dracut,
/// mkinitcpio). The folder of the drop-ins counts as a file: a drop-in that was removed shows in it.
std::optional<Initramfs> initramfsOf(const Sysfs& sysfs, const std::vector<std::string>& configFiles,
                                     const ChangeTime& changed);

} // namespace vfiobind
