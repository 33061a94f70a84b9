// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/mounts.h"

#include "guard/look.h"
#include "guard/processes.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <sstream>

namespace vfiobind {
namespace {

/// Blanks and backslashes are written as three octal digits (seq_escape in fs/proc_namespace.c).
std::string unescaped(std::string_view text) {
    if (!text.contains('\\'))
        return std::string(text);
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto digits = text.substr(i + 1 > text.size() ? text.size() : i + 1, 3);
        if (text[i] == '\\' && digits.size() == 3 &&
            digits.find_first_not_of("01234567") == std::string::npos) {
            plain += static_cast<char>(std::stoi(std::string(digits), nullptr, 8));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

/// `logdev=` and `rtdev=` among the super block's options (xfs(5)).
std::vector<std::string> moreDevices(std::string_view options) {
    std::vector<std::string> devices;
    for (const auto option : split(options, ','))
        for (const std::string_view key : {"logdev=", "rtdev="})
            if (option.starts_with(key))
                devices.push_back(unescaped(option.substr(key.size())));
    return devices;
}

/// The first words of the line; false where it has fewer.
template <std::size_t count>
bool takeWords(std::string_view line, std::array<std::string_view, count>& words) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto end = line.find(' ');
        words[i] = line.substr(0, end);
        if (end == std::string_view::npos)
            return i + 1 == count;
        line.remove_prefix(end + 1);
    }
    return true;
}

SysResult<std::vector<Mount>> mountsOf(const MountTable& table, const std::string& shownAs) {
    if (!table.text)
        return std::unexpected(table.text.error());
    std::vector<Mount> mounts;
    for (const auto line : split(*table.text, '\n')) {
        const auto dash = line.find(" - ");
        if (dash == std::string_view::npos)
            continue;
        std::array<std::string_view, 5> words; // id, parent, number, root, point
        std::array<std::string_view, 3> rest;  // type, source, options
        if (!takeWords(line.substr(0, dash), words) || !takeWords(line.substr(dash + 3), rest))
            return std::unexpected(
                SysError{"understand a line of", "/proc/" + table.process + "/mountinfo", EBADMSG});
        mounts.push_back({.number = std::string(words[2]),
                          .point = unescaped(words[4]),
                          .type = std::string(rest[0]),
                          .source = unescaped(rest[1]),
                          .more = moreDevices(rest[2]),
                          .process = shownAs});
    }
    return mounts;
}

std::string pointsText(const std::vector<std::string>& points) {
    constexpr std::size_t shown = 3;
    std::string text;
    for (std::size_t i = 0; i < std::min(points.size(), shown); ++i)
        text += (i == 0 ? "" : ", ") + printable(points[i]);
    return points.size() > shown ? fmt::format("{} and {} more", text, points.size() - shown) : text;
}

} // namespace

Mounts readMounts(Programs& programs) {
    Mounts result;
    std::optional<SysError> hostError; // the first, of /proc/1 or /proc/self
    for (const auto& table : programs.mountTables()) {
        if (!table.isKnown)
            continue; // of a process that is not ours to look at
        auto mounts = mountsOf(table, table.isHosts ? "" : table.process);
        if (mounts)
            result.all.insert(result.all.end(), mounts->begin(), mounts->end());
        else if (table.isHosts && !hostError)
            hostError = mounts.error();
        else if (!isGone(mounts.error()))
            result.unreadable.push_back(mounts.error());
    }
    // A sandbox's mounts are not the host's, and without /proc there are none to see at all.
    if (hostError && (!isGone(*hostError) || result.all.empty()))
        result.unreadable.push_back(*hostError);
    if (const auto& processes = programs.numbers(); !processes)
        result.unreadable.push_back(processes.error());
    return result;
}

SysResult<std::vector<Swap>> readSwaps(const Sysfs& sysfs) {
    const auto text = readIfThere(sysfs, "/proc/swaps", 1 << 20);
    if (!text)
        return std::unexpected(text.error());
    std::vector<Swap> swaps;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with('/'))
            swaps.push_back({unescaped(line.substr(0, line.find_first_of(" \t")))});
    return swaps;
}

const Mount* mountOf(const Mounts& mounts, const std::string& path) {
    const Mount* best = nullptr;
    for (const auto& mount : mounts.all) {
        if (!mount.process.empty())
            continue;
        const bool holds = mount.point == "/" || path == mount.point || path.starts_with(mount.point + '/');
        // Of two on one point the later one covers the other.
        if (holds && (best == nullptr || mount.point.size() >= best->point.size()))
            best = &mount;
    }
    return best;
}

MountPoints mountPointsOf(const Programs& programs,
                          const std::map<std::string, std::vector<std::string>>& byProcess) {
    if (const auto hosts = byProcess.find(""); hosts != byProcess.end())
        return {pointsText(hosts->second), {}};
    std::vector<Detail> details;
    std::vector<std::string> places;
    for (const auto& [process, points] : byProcess) {
        const auto where = fmt::format("(in the mount namespace of process {})", process);
        places.push_back("a file system " + where);
        details.push_back({.uid = programs.userOf(process),
                           .shown = places.back(),
                           .full = pointsText(points) + ' ' + where});
    }
    return {pointsText(places), std::move(details)};
}

bool rootIsMounted(const Mounts& mounts) {
    const auto* root = mountOf(mounts, "/");
    return root != nullptr && root->type != "rootfs" && root->type != "tmpfs" && root->type != "ramfs";
}

} // namespace vfiobind
