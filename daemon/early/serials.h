// SPDX-License-Identifier: LGPL-2.1-or-later
/// The serial numbers of devices where the kernel does not tell them: read from the extended configuration
/// space, which only CAP_SYS_ADMIN can, and left for the others in serialsDirectory.
#pragma once

#include "pci/address.h"
#include "sysfs/sysfs.h"

#include <optional>
#include <string>
#include <vector>

namespace vfiobind::early {

/// Returns nothing if the device has no number, is gone, or has its number in sysfs (Linux 6.18), and without
/// CAP_SYS_ADMIN.
std::optional<std::string> serialOf(const Sysfs& sysfs, const Address& address);

/// Brings the device's file up to date: writes it, or removes it if there is no number. `root` is put before
/// the path; empty for the machine's own.
SysResult<void> keepSerial(const Sysfs& sysfs, const Address& address, const std::string& root = {});

/// The same for all devices. The errors of each.
std::vector<SysError> keepSerials(const Sysfs& sysfs, const std::string& root = {});

} // namespace vfiobind::early
