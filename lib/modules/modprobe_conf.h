// SPDX-License-Identifier: LGPL-2.1-or-later
/// The lines of modprobe.d(5) that are in force. libkmod would mix in those of the machine that runs it.
#pragma once

#include "modules/kernel_words.h"
#include "sysfs/sysfs.h"

#include <string>
#include <vector>

namespace vfiobind {

/// A line as modprobe(8) reads it. A `#` begins a comment at a line's first character only; a backslash at
/// its end goes on in the next line, elsewhere it is dropped.
struct ModprobeLine {
    std::string file;
    unsigned line = 0;      ///< where it begins
    std::string command;    ///< `options`, `blacklist`, `install`, `softdep`, `alias`
    std::string name;       ///< the module's, or the alias; as written
    std::string argument;   ///< all behind it, as written; empty without
    bool understood = true; ///< false where modprobe passes the line over as a bad one

    std::string str() const;   ///< the line with single blanks between the three
    std::string place() const; ///< `file:line`
    bool operator==(const ModprobeLine&) const = default;
};

/// The lines of one file.
std::vector<ModprobeLine> readModprobeFile(const std::string& path, std::string_view content);

/// All lines of /etc/modprobe.d, /run/modprobe.d, /usr/local/lib/modprobe.d, /usr/lib/modprobe.d and
/// /lib/modprobe.d, files in order of name; a file hides those of the same name in a later directory. What
/// cannot be read goes to `errors`, if there is such a list.
std::vector<ModprobeLine> modprobeLines(const Sysfs& sysfs, std::vector<SysError>* errors = nullptr);

/// The first `install` line that holds for the module, whose command is run in place of loading it, or none.
/// Its name may be a pattern (fnmatch(3)).
const ModprobeLine* installLine(const std::vector<ModprobeLine>& lines, const std::string& module);
/// Whether the command does nothing: /bin/true, /bin/false.
bool doesNothing(const ModprobeLine& install);
const ModprobeLine* blacklistLine(const std::vector<ModprobeLine>& lines, const std::string& module);

} // namespace vfiobind
