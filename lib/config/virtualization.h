// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

namespace vfiobind {

/// In which kind of virtual machine this runs, in the words of systemd-detect-virt(1) --vm: `kvm`, `qemu`,
/// `vmware`, `microsoft`, `xen`, `oracle`, ...; `vm-other` for one that is not known, `none` on bare metal.
std::string detectVirtualization();

/// By a name that the firmware has in DMI's vendor and product fields; empty for bare metal's or none.
std::string_view virtualizationOfDmi(std::string_view text);

/// By the twelve letters with which a hypervisor answers CPUID 0x40000000; empty where they are not known.
std::string_view virtualizationOfCpuid(std::string_view signature);

} // namespace vfiobind
