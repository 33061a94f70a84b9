// SPDX-License-Identifier: LGPL-2.1-or-later
/// The PCI devices that a libvirt domain is given.
#pragma once

#include "pci/address.h"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

/// Of `<hostdev type='pci'>` and `<interface type='hostdev'>` those with managed='no', which is the default
/// (https://libvirt.org/formatdomain.html#host-device-assignment). The error is a sentence with the line.
std::expected<std::vector<Address>, std::string> unmanagedDevices(std::string_view domainXml);

} // namespace vfiobind::ctl
