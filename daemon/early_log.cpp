// SPDX-License-Identifier: LGPL-2.1-or-later
#include "early_log.h"

#include "pci/text.h"
#include "sysfs/real_sysfs.h"

#include <cerrno>
#include <cstring>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace vfiobind {

void tellOfEarly(const std::string& stateDirectory) {
    const auto file = stateDirectory + "/early.log";
    const auto text = RealSysfs().read(file);
    if (!text)
        return; // no file: nothing failed
    for (const auto line : split(*text, '\n'))
        spdlog::warn("before udev: {}", printable(line));
    if (unlink(file.c_str()) != 0)
        spdlog::warn("{} stays and will be told again: {}", file, strerror(errno));
}

} // namespace vfiobind
