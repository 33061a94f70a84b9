// SPDX-License-Identifier: LGPL-2.1-or-later
/// Programs of one's own that hand devices to VFIO.
#pragma once

#include "import/found.h"

namespace vfiobind::ctl {

/// What a script hands over, as far as its text tells: addresses and ids that stand in it.
struct ScriptDevices {
    unsigned handsOver = 0; ///< the first line that gives a device to VFIO; 0: it does not
    std::vector<Claim> claims;
};

/// Looks for the words by which a device is given to VFIO (`driver_override`, `new_id`, `nodedev-detach`),
/// and for addresses and ids outside of comments. Nothing of it is carried out.
ScriptDevices readScript(const std::string& path, const std::string& content, const std::string& rule);

/// The command of `install vfio-pci COMMAND`: what it, or the scripts that it names, hand over. `line` is the
/// install line, which goes with the scripts.
void readInstallCommand(const ImportContext& context, const Place& place, const std::string& command,
                        const Removable& line, Found& found);

} // namespace vfiobind::ctl
