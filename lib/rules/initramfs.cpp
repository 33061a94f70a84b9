// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/initramfs.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sys/stat.h>
#include <utility>

namespace vfiobind {
namespace {

/// What makes an initramfs, and where its part of vfio-bind and its images are.
struct ImageMaker {
    const char* part;
    const char* image; ///< {} is the kernel's release
    const char* command;
};
constexpr std::array<ImageMaker, 3> imageMakers{
    {{"/usr/share/initramfs-tools/hooks/vfio-bind", "/boot/initrd.img-{}", "update-initramfs -u"},
     {"/usr/lib/dracut/modules.d/90vfio-bind", "/boot/initramfs-{}.img", "dracut --force"},
     {"/usr/lib/initcpio/install/vfio-bind", "/boot/initramfs-linux.img", "mkinitcpio -P"}}};

/// Images are named alike by different makers (Debian's dracut makes /boot/initrd.img-* too): the program
/// that is installed tells.
constexpr std::array<std::pair<const char*, const char*>, 4> programs{
    {{"/usr/sbin/update-initramfs", "update-initramfs -u"},
     {"/usr/bin/dracut", "dracut --force"},
     {"/usr/sbin/dracut", "dracut --force"},
     {"/usr/bin/mkinitcpio", "mkinitcpio -P"}}};

std::string commandFor(const Sysfs& sysfs, const ImageMaker& maker) {
    for (const auto& [program, command] : programs)
        if (sysfs.exists(program))
            return command;
    return maker.command;
}

} // namespace

std::optional<std::int64_t> changeTime(const std::string& path) {
    struct stat found{};
    if (stat(path.c_str(), &found) != 0)
        return std::nullopt;
    // A file that was moved or copied here with its old times has a new ctime.
    return std::max(found.st_mtim.tv_sec, found.st_ctim.tv_sec);
}

std::optional<Initramfs> initramfsOf(const Sysfs& sysfs, const std::vector<std::string>& configFiles,
                                     const ChangeTime& changed) {
    const auto release = sysfs.read("/proc/sys/kernel/osrelease", 256).value_or(std::string{});
    for (const auto& maker : imageMakers) {
        Initramfs found{.path = fmt::format(fmt::runtime(maker.image), release),
                        .command = commandFor(sysfs, maker),
                        .newerFile = {}};
        const auto made = changed(found.path);
        if (!made || !sysfs.exists(maker.part))
            continue;
        for (const auto& file : configFiles)
            if (const auto configured = changed(file); configured && *configured > *made)
                found.newerFile = file;
        return found;
    }
    return std::nullopt;
}

} // namespace vfiobind
