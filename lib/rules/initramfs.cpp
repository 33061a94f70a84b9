// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/initramfs.h"

#include "pci/text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
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

constexpr std::size_t largestFile = 1 << 20;

/// By path.
std::map<std::string, std::string> digestsIn(const std::string& lines) {
    std::map<std::string, std::string> digests;
    for (const auto line : split(lines, '\n'))
        if (const auto blank = line.find(' '); blank != std::string_view::npos)
            digests[std::string(line.substr(blank + 1))] = line.substr(0, blank);
    return digests;
}

/// A file that is not as it was taken in, or is in one of the two only; empty: none.
std::string otherThan(const std::string& takenIn, const std::string& now) {
    auto before = digestsIn(takenIn);
    for (const auto& [path, digest] : digestsIn(now)) {
        const auto found = before.find(path);
        if (found == before.end() || found->second != digest)
            return path;
        before.erase(found);
    }
    return before.empty() ? "" : before.begin()->first;
}

/// The last of the files that was changed after the image was made; empty: none.
std::string changedAfter(std::int64_t made, const std::vector<std::string>& configFiles,
                         const ChangeTime& changed) {
    std::string newer;
    for (const auto& file : configFiles)
        if (const auto configured = changed(file); configured && *configured > made)
            newer = file;
    return newer;
}

} // namespace

std::string takenInFile(const std::string& release) {
    return "/var/lib/vfio-bind/initramfs/" + release;
}

std::string digestsOf(const Sysfs& sysfs, const std::vector<std::string>& configFiles) {
    std::string lines;
    for (const auto& file : configFiles) {
        const auto content = sysfs.read(file, largestFile);
        if (!content)
            continue; // the folder of the drop-ins, or none
        std::uint64_t digest = 0xcbf29ce484222325;
        for (const char c : *content)
            digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        lines += fmt::format("{:016x} {}\n", digest, file);
    }
    return lines;
}

std::optional<std::int64_t> changeTime(const std::string& path) {
    struct stat found{};
    if (stat(path.c_str(), &found) != 0)
        return std::nullopt;
    // A file that was moved or copied here with its old times has a new ctime.
    return std::max(found.st_mtim.tv_sec, found.st_ctim.tv_sec);
}

std::optional<Initramfs> initramfsOf(const Sysfs& sysfs, const std::vector<std::string>& configFiles,
                                     const ChangeTime& changed, bool started) {
    const auto release = sysfs.read("/proc/sys/kernel/osrelease", 256).value_or(std::string{});
    for (const auto& maker : imageMakers) {
        Initramfs found{.path = fmt::format(fmt::runtime(maker.image), release),
                        .command = commandFor(sysfs, maker),
                        .newerFile = {},
                        .known = started};
        const auto made = changed(found.path);
        if (!made || !sysfs.exists(maker.part))
            continue;
        // What was written down after the image was made is about another one, which was built elsewhere.
        const auto takenIn = sysfs.read(takenInFile(release), largestFile);
        const auto written = changed(takenInFile(release));
        if (takenIn && written && *written <= *made) {
            found.known = true;
            found.newerFile = otherThan(*takenIn, digestsOf(sysfs, configFiles));
        } else if (started) {
            found.newerFile = changedAfter(*made, configFiles, changed);
        }
        return found;
    }
    return std::nullopt;
}

} // namespace vfiobind
