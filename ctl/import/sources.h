// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a machine may have been set up with before vfio-bind.
#pragma once

#include "import/found.h"

#include <array>
#include <string_view>

namespace vfiobind::ctl {

/// `DEVICES=` of /etc/sysconfig/vfio-bind and /etc/default/vfio-bind, the script that guides have.
Found importSysconfig(const ImportContext& context);
/// modprobe.d(5): options of the vfio modules; scripts in their place; softdeps and blacklists that go with
/// them; modules-load.d(5).
Found importModprobe(const ImportContext& context);
/// The running kernel's command line.
Found importCommandLine(const ImportContext& context);
/// /etc/driverctl.d of driverctl(8): a file for each override.
Found importDriverctl(const ImportContext& context);
/// initramfs-tools, dracut and mkinitcpio, where they are told to take the vfio modules in.
Found importInitramfs(const ImportContext& context);
/// Devices of libvirt's domains and networks.
Found importLibvirt(const ImportContext& context);
/// Devices of Proxmox' VMs.
Found importProxmox(const ImportContext& context);
/// udev(7)'s rules that set driver_override.
Found importUdev(const ImportContext& context);
/// Scripts that do: of the initramfs, of systemd, of libvirt's hooks, of one's own.
Found importScripts(const ImportContext& context);
/// The filters of OpenNebula's probe, pci.conf and before it pci.rb.
Found importOpenNebula(const ImportContext& context);

struct ImportSource {
    std::string_view name; ///< for --from
    Found (*read)(const ImportContext&);
    std::string_view places; ///< where it looks
};
inline constexpr std::array<ImportSource, 10> importSources{
    {{"libvirt", importLibvirt, "/etc/libvirt/qemu and its networks"},
     {"proxmox", importProxmox, "/etc/pve/qemu-server, /etc/pve/mapping/pci.cfg"},
     {"sysconfig", importSysconfig, "/etc/sysconfig/vfio-bind, /etc/default/vfio-bind"},
     {"modprobe", importModprobe, "/etc/modprobe.d and its siblings, /etc/modules, /etc/modules-load.d"},
     {"cmdline", importCommandLine, "/proc/cmdline"},
     {"driverctl", importDriverctl, "/etc/driverctl.d"},
     {"udev", importUdev, "/etc/udev/rules.d, /usr/local/lib/udev/rules.d"},
     {"initramfs", importInitramfs, "/etc/initramfs-tools/modules, dracut.conf, mkinitcpio.conf"},
     {"scripts", importScripts,
      "/etc/initramfs-tools/scripts, /etc/initcpio/hooks, dracut's modules, *vfio* in the folders of "
      "programs, "
      "/etc/systemd/system, /etc/rc.local, /etc/libvirt/hooks"},
     {"opennebula", importOpenNebula, "/var/tmp/one"}}};

} // namespace vfiobind::ctl
