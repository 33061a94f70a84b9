// SPDX-License-Identifier: LGPL-2.1-or-later
#include "output.h"

#include "pci/text.h"
#include "text.h"

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

namespace vfiobind::ctl {

void print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot write to standard output");
}

void printLine(std::string_view line) {
    print(std::string(line) + '\n');
}

void complain(std::string_view message) {
    std::string text;
    for (const std::string_view line : split(message, '\n'))
        if (!line.empty())
            text += (text.empty() ? "vfio-bindctl: " : "  ") + printable(line) + '\n';
    // There is nowhere left to report that standard error cannot be written.
    static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

} // namespace vfiobind::ctl
