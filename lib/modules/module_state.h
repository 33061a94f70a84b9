// SPDX-License-Identifier: LGPL-2.1-or-later
/// Whether a module can be had, and else what keeps it off: the one judgement of the daemon and the doctor.
#pragma once

#include "modules/modprobe_conf.h"
#include "sysfs/sysfs.h"

#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

enum class ModuleState {
    builtIn,
    installed, ///< and nothing keeps it off, as far as can be told without loading it
    absent,    ///< not installed for the running kernel
    replaced,  ///< `install` of modprobe.d(5) runs a command in its place
    keptOff,   ///< `blacklist` of modprobe.d(5), which systemd's modprobe@.service heeds, or a parameter
    notSigned, ///< under lockdown (kernel_lockdown(7))
    noName,    ///< no module can have such a name
};

struct ModuleVerdict {
    ModuleState state = ModuleState::absent;
    std::string sentence; ///< `vfio_pci is not installed for the kernel 6.1.0-18-amd64`
    std::string remedy;   ///< empty where nothing is to be done
    bool loadable() const { return state == ModuleState::installed; }
};

/// Reads modules.builtin and modules.dep of the running kernel, modprobe.d(5) and the kernel's command line.
/// `name` may be a driver's, `mlx5-vfio-pci`.
ModuleVerdict moduleVerdict(const Sysfs& sysfs, const std::string& name);

/// What keeps a module off, `FILE:LINE: blacklist nouveau` or `modprobe.blacklist= of the kernel's command
/// line`, and how it would be mended.
struct KeptOff {
    std::string by;
    std::string remedy;
};
std::optional<KeptOff> keptOff(const std::vector<ModprobeLine>& lines, const std::vector<KernelWord>& words,
                               const std::string& module);

} // namespace vfiobind
