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
    std::string newerFile; ///< a file of the configuration that is not as it was taken in; empty: none
    bool known = false;    ///< it is known to be made by a builder that takes vfio-bind's part in
};

/// Where a hook has vfio-bind-early write what it took of the configuration into the image of that kernel.
std::string takenInFile(const std::string& release);

/// A line for each of the files that is there: a digest of its content (FNV-1a, 64 bits: it tells a changed
/// file, and guards against nothing) and its path.
std::string digestsOf(const Sysfs& sysfs, const std::vector<std::string>& configFiles);

/// The file that vfio-bind-early leaves in its folder of run-time state when it runs in an initramfs.
inline constexpr std::string_view ranInInitramfs = "/initramfs";

/// The running kernel's image, where its builder takes vfio-bind's part in (initramfs-tools, dracut,
/// mkinitcpio). What was taken in is told by digests. An image without them was made before vfio-bind came,
/// and knows nothing of it, or it was made elsewhere: then the machine has `started` with vfio-bind in it,
/// and times of change tell. There the folder of the drop-ins counts as a file: a drop-in that was removed
/// shows in it.
std::optional<Initramfs> initramfsOf(const Sysfs& sysfs, const std::vector<std::string>& configFiles,
                                     const ChangeTime& changed, bool started);

} // namespace vfiobind
