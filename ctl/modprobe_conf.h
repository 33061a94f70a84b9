// SPDX-License-Identifier: LGPL-2.1-or-later
/// The lines of modprobe.d(5) that are in force.
#pragma once

#include "sysfs/sysfs.h"

#include <string>
#include <vector>

namespace vfiobind::ctl {

struct ModprobeLine {
    std::string file;
    unsigned line = 0; ///< where it begins
    std::vector<std::string> words;
};

/// All lines of /etc/modprobe.d, /run/modprobe.d, /usr/local/lib/modprobe.d, /usr/lib/modprobe.d and
/// /lib/modprobe.d; a file hides those of the same name in a later directory. What cannot be read goes to
/// `errors`, if there is such a list.
std::vector<ModprobeLine> modprobeLines(const Sysfs& sysfs, std::vector<SysError>* errors = nullptr);

/// The module's name as the kernel has it: `-` and `_` are one.
std::string underscored(std::string name);

} // namespace vfiobind::ctl
