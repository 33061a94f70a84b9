// SPDX-License-Identifier: LGPL-2.1-or-later
/// Network interfaces of a device that the host uses.
#pragma once

#include "guard/blocker.h"
#include "sysfs/sysfs.h"

namespace vfiobind {

/// For the interfaces below the PCI function, a virtio or USB one too:
/// `default-route` where one or an upper device of it (bond, bridge, VLAN, ... at any depth) carries a
/// default route of either family, in any table; `network-stacked` where it has an upper device, or has been
/// moved to another network namespace; `network-up` where it is up and has a link or, itself or an upper
/// device, an address that is more than link-local. An interface that is up with neither is nobody's, and so
/// is one that is down with no upper device: the kernel has taken its routes away, or marked them dead
/// (fib_sync_down_dev() in net/ipv4/fib_semantics.c, rt6_sync_down_dev() in net/ipv6/route.c). Where the
/// program's sandbox has no netlink (EAFNOSUPPORT), as that of vfio-bind-early.service, the routes are those
/// of /proc/1/net, and addresses are not looked at: what is in use then has a link.
Blockers networkBlockers(const Sysfs& sysfs, const Address& device);

} // namespace vfiobind
