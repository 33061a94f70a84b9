// SPDX-License-Identifier: LGPL-2.1-or-later
/// What is known of the machine and of how it was booted, as far as the configuration asks.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// Unset is not known: a `[match]` on it does not hold.
struct HostFacts {
    std::optional<std::string> host;      ///< the static name of /etc/hostname
    std::optional<std::string> machineId; ///< machine-id(5)
    std::optional<std::string> board;     ///< DMI's board name
    std::optional<std::string> product;   ///< DMI's product name, or the device tree's model
    std::optional<std::string>
        virtualization;                   ///< as systemd-detect-virt(1) --vm says it; "none" on bare metal
    std::vector<std::string> commandLine; ///< the kernel's, word by word
    bool inInitramfs = false;
    bool anyMachine = false; ///< every `[match]` holds: for looking at files that are for other machines

    bool operator==(const HostFacts&) const = default;

    /// The word of the kernel command line by which every part stands back: `vfio_bind=off`, or in an
    /// initramfs `rd.vfio_bind=off` too; the last one counts. Empty where nothing says so.
    std::string standsBack() const;
};

/// Where the initramfs has what its builder has taken along: there, /etc/hostname and /etc/machine-id are not
/// the machine's.
inline constexpr auto hostFactsOfImage = "/usr/lib/vfio-bind/host";

/// Reads them below a root directory, empty for the machine's own. Of another root only what is in its files
/// is known.
HostFacts readHostFacts(const std::string& root = {}, bool inInitramfs = false);

/// The words of a kernel command line. Quotes keep blanks in a word, and go.
std::vector<std::string> commandLineWords(const std::string& text);

} // namespace vfiobind
