// SPDX-License-Identifier: LGPL-2.1-or-later
/// What rtnetlink(7) tells of routes and addresses.
#pragma once

#include "sysfs/sysfs.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// A default route: unicast, with a destination of no bits.
struct DefaultRoute {
    bool v6 = false;
    std::uint32_t table = 0;          ///< 254 is main, 253 default; others are for policy rules (ip-rule(8))
    std::vector<unsigned> interfaces; ///< indices; several of a multipath route
    std::string gateway;              ///< of the first next hop; empty where it is on the link
    std::uint32_t nexthopObject = 0;  ///< ip-nexthop(8); with nexthop_compat_mode=0 it hides the interfaces
    bool operator==(const DefaultRoute&) const = default;
};

struct InterfaceAddress {
    unsigned interface = 0; ///< index
    std::string text;       ///< `192.0.2.5/24`
    bool operator==(const InterfaceAddress&) const = default;
};

/// The default routes of all tables among the messages of an RTM_GETROUTE dump. What is cut off is left out.
std::vector<DefaultRoute> defaultRoutesIn(std::string_view messages);

/// The addresses of global or site scope among the messages of an RTM_GETADDR dump: every interface that is
/// up has one of link scope.
std::vector<InterfaceAddress> addressesIn(std::string_view messages);

/// A default route as the text files have it, which know no IPv4 table but main.
struct NamedDefaultRoute {
    bool v6 = false;
    std::string interface; ///< by name
    bool operator==(const NamedDefaultRoute&) const = default;
};
std::vector<NamedDefaultRoute> defaultRoutesInProc(const std::string& route, const std::string& ipv6Route);

/// Both families, from the kernel.
SysResult<std::vector<DefaultRoute>> readDefaultRoutes(const Sysfs& sysfs);
SysResult<std::vector<InterfaceAddress>> readAddresses(const Sysfs& sysfs);

/// The default routes of process 1's network namespace, for a program that may have no netlink socket, or is
/// in a namespace of its own (`/proc/PID/net/route`, proc_pid_net(5)).
SysResult<std::vector<NamedDefaultRoute>> readDefaultRoutesOfProcessOne(const Sysfs& sysfs);

} // namespace vfiobind
