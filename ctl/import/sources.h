// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a machine may have been set up with before vfio-bind.
#pragma once

#include "import/found.h"

#include <array>
#include <string_view>

namespace vfiobind::ctl {

/// `DEVICES=` of /etc/sysconfig/vfio-bind and /etc/default/vfio-bind, the script that guides have.
Found importSysconfig(const ImportContext& context);
/// modprobe.d(5): options of the vfio modules; softdeps and blacklists that go with them; modules-load.d(5).
Found importModprobe(const ImportContext& context);
/// The running kernel's command line.
Found importCommandLine(const ImportContext& context);
/// /etc/driverctl.d of driverctl(8): a file for each override.
Found importDriverctl(const ImportContext& context);
/// initramfs-tools, dracut and mkinitcpio, where they are told to take the vfio modules in.
Found importInitramfs(const ImportContext& context);
/// Devices of libvirt's domains.
Found importLibvirt(const ImportContext& context);
/// The filters of OpenNebula's probe, pci.conf and before it pci.rb.
Found importOpenNebula(const ImportContext& context);

struct ImportSource {
    std::string_view name; ///< for --from
    Found (*read)(const ImportContext&);
};
inline constexpr std::array<ImportSource, 7> importSources{{{"libvirt", importLibvirt},
                                                            {"sysconfig", importSysconfig},
                                                            {"modprobe", importModprobe},
                                                            {"cmdline", importCommandLine},
                                                            {"driverctl", importDriverctl},
                                                            {"initramfs", importInitramfs},
                                                            {"opennebula", importOpenNebula}}};

} // namespace vfiobind::ctl
