// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which rules a libvirt domain asks for.
#pragma once

#include "exit_code.h"
#include "pci/address.h"
#include "plan/wanted.h"

#include <string>
#include <vector>

namespace vfiobind::ctl {

/// The rules with when = "asked" in whose groups the devices are, each once, in order of the devices.
std::vector<std::string> askedRules(const Resolution& resolution, const Topology& topology,
                                    const std::vector<Address>& devices);

/// Reads a domain from standard input and prints the names, one a line. Asks no daemon: the hook of libvirt
/// has to be quick, and must not fail where nothing is to be done.
ExitCode runLibvirtRules();

} // namespace vfiobind::ctl
