// SPDX-License-Identifier: LGPL-2.1-or-later
/// Files of settings that a shell reads: /etc/sysconfig, dracut.conf.d, mkinitcpio.conf.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

/// `NAME=value`, `NAME+=value` or `NAME=(value ...)`, quotes taken off and the value split at blanks, as an
/// unquoted use of the variable splits it. Variables in it are not expanded.
struct Assignment {
    unsigned line = 0; ///< where it begins
    std::string name;
    std::vector<std::string> words;
    bool added = false; ///< by `+=`: what the variable had before stays
};

struct ShellText {
    std::vector<Assignment> assignments;
    unsigned openQuote = 0; ///< the line where a quote or bracket begins that nothing closes; 0: none does
};

/// Other commands are passed over.
ShellText readShell(std::string_view text);

} // namespace vfiobind::ctl
