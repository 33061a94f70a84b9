// SPDX-License-Identifier: LGPL-2.1-or-later
/// vfio-bindctl verify: a configuration is tried without the daemon, and on machines that are elsewhere.
#pragma once

#include "config/config.h"
#include "exit_code.h"
#include "machine_description.h"
#include "options.h"
#include "plan/wanted.h"

#include <string>
#include <vector>

namespace vfiobind::ctl {

/// What a configuration comes to on one machine.
struct MachineVerdict {
    std::string machine; ///< the file of its description; empty for no machine in particular
    Policy policy;
    Topology topology;
    Resolution resolution;
    std::vector<std::string>
        errors; ///< what is wrong with the configuration there, and what would be blocked
};

struct Verdict {
    std::vector<std::string> errors; ///< of the files, whichever machine they are for
    std::vector<MachineVerdict> machines;
    bool good() const;
};

/// Looks at the files, each for itself, whatever its `[match]` says, and then together for each machine.
/// Where there is no machine, for the facts of the texts.
Verdict verify(const ConfigTexts& texts,
               const std::vector<std::pair<std::string, MachineDescription>>& machines);

/// What would be bound where, with the errors.
std::string renderVerdict(const Verdict& verdict);
std::string verdictJson(const Verdict& verdict);

ExitCode runVerify(const Options& options);

} // namespace vfiobind::ctl
