// SPDX-License-Identifier: LGPL-2.1-or-later
// The notes of consoles that a group's binds have let go of. They outlive the journal, since nobody may be
// there to hear how a worker ended.
#include "transaction/journal.h"

#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"

#include <algorithm>
#include <cerrno>
#include <fmt/ranges.h>
#include <sstream>
#include <unistd.h>

namespace vfiobind {
namespace {

constexpr std::size_t maxNotesSize = 4096;

} // namespace

std::string FileJournalStore::consolesPathOf(unsigned group) const {
    return fmt::format("{}/{}", consoles_, group);
}

bool isConsoleName(std::string_view name) {
    constexpr std::string_view prefix = "vtcon";
    return name.starts_with(prefix) && name.size() > prefix.size() &&
           name.find_first_not_of("0123456789", prefix.size()) == std::string_view::npos;
}

SysResult<std::vector<std::string>> FileJournalStore::consoles(unsigned group) const {
    const auto path = consolesPathOf(group);
    const auto text = RealSysfs().read(path, maxNotesSize);
    if (!text && text.error().code == ENOENT)
        return std::vector<std::string>{};
    if (!text)
        return std::unexpected(text.error());
    std::vector<std::string> names;
    std::istringstream lines(*text);
    for (std::string name; std::getline(lines, name);)
        names.push_back(name);
    if (!std::ranges::all_of(names, isConsoleName))
        return std::unexpected(SysError{"what is to be names of consoles is none; read", path, EBADMSG});
    return names;
}

SysResult<void> FileJournalStore::saveConsoles(unsigned group, const std::vector<std::string>& names) {
    const auto path = consolesPathOf(group);
    if (!names.empty())
        return writeFileAtomically(path, fmt::format("{}\n", fmt::join(names, "\n")), 0600);
    if (unlink(path.c_str()) != 0 && errno != ENOENT)
        return std::unexpected(SysError{"unlink", path, errno});
    return {};
}

SysResult<std::vector<std::string>> MemoryJournalStore::consoles(unsigned group) const {
    const auto found = noted.find(group);
    return found == noted.end() ? std::vector<std::string>{} : found->second;
}

SysResult<void> MemoryJournalStore::saveConsoles(unsigned group, const std::vector<std::string>& names) {
    if (names.empty())
        noted.erase(group);
    else
        noted.insert_or_assign(group, names);
    return {};
}

} // namespace vfiobind
