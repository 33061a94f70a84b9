// SPDX-License-Identifier: LGPL-2.1-or-later
/// Where this process runs: what ends it when a unit is stopped (`pause-units`).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

struct OwnPlace {
    std::string controlGroup;   ///< `/system.slice/gdm.service`; see cgroups(7)
    std::string sessionType;    ///< of the login session, `wayland`, `x11`, `tty`; empty for none
    std::string sessionService; ///< what it was opened by, `gdm-password`; see sd_session_get_service(3)
    std::string displayManager; ///< what display-manager.service stands for, `gdm.service`; empty for none
};

/// Asks the kernel and logind. What cannot be told is empty.
OwnPlace ownPlace();

/// The unit among these with which a process at this place ends: the one that it belongs to, or the display
/// manager that its graphical session belongs to.
std::optional<std::string> endsWithIt(const OwnPlace& place, const std::vector<std::string>& units);

/// Says so, and how the same command, its own words `command`, goes on: as a unit of its own
/// (systemd-run(1)).
std::string endingSentence(const std::string& unit, const std::vector<std::string>& command, unsigned uid);

/// The words of this process's command line (/proc/self/cmdline).
std::vector<std::string> ownCommandLine();

} // namespace vfiobind::ctl
