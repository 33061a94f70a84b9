// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/rtnetlink.h"

#include "guard/look.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <functional>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/route.h>
#include <sstream>

namespace vfiobind {
namespace {

template <typename T>
bool load(std::string_view data, T& value) {
    if (data.size() < sizeof(T))
        return false;
    data.copy(reinterpret_cast<char*>(&value), sizeof(T));
    return true;
}

std::string_view after(std::string_view data, std::size_t size) {
    return size < data.size() ? data.substr(size) : std::string_view{};
}

/// Each message's body by its type.
void forEachMessage(std::string_view data, const std::function<void(unsigned, std::string_view)>& each) {
    nlmsghdr header{};
    while (load(data, header) && header.nlmsg_len >= sizeof header && header.nlmsg_len <= data.size()) {
        each(header.nlmsg_type, data.substr(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN));
        data = after(data, NLMSG_ALIGN(header.nlmsg_len));
    }
}

/// Each attribute's value by its type.
void forEachAttribute(std::string_view data, const std::function<void(unsigned, std::string_view)>& each) {
    rtattr header{};
    while (load(data, header) && header.rta_len >= sizeof header && header.rta_len <= data.size()) {
        each(header.rta_type & static_cast<unsigned>(NLA_TYPE_MASK),
             data.substr(RTA_LENGTH(0), header.rta_len - RTA_LENGTH(0)));
        data = after(data, RTA_ALIGN(header.rta_len));
    }
}

std::string addressText(std::string_view bytes) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = bytes.size() == sizeof(in_addr)    ? AF_INET
                       : bytes.size() == sizeof(in6_addr) ? AF_INET6
                                                          : AF_UNSPEC;
    if (family == AF_UNSPEC || inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr)
        return {};
    return text.data();
}

/// RTA_VIA: the gateway is of the other family (struct rtvia).
std::string viaText(std::string_view bytes) {
    return addressText(after(bytes, sizeof(__kernel_sa_family_t)));
}

void readNextHops(std::string_view data, DefaultRoute& route) {
    rtnexthop hop{};
    while (load(data, hop) && hop.rtnh_len >= sizeof hop && hop.rtnh_len <= data.size()) {
        route.interfaces.push_back(static_cast<unsigned>(hop.rtnh_ifindex));
        forEachAttribute(data.substr(sizeof hop, hop.rtnh_len - sizeof hop),
                         [&](unsigned type, std::string_view value) {
                             if (route.gateway.empty() && (type == RTA_GATEWAY || type == RTA_VIA))
                                 route.gateway = type == RTA_VIA ? viaText(value) : addressText(value);
                         });
        data = after(data, RTNH_ALIGN(hop.rtnh_len));
    }
}

DefaultRoute readRoute(const rtmsg& message, std::string_view attributes) {
    DefaultRoute route{.v6 = message.rtm_family == AF_INET6, .table = message.rtm_table};
    forEachAttribute(attributes, [&](unsigned type, std::string_view value) {
        std::uint32_t number = 0;
        if (type == RTA_OIF && load(value, number))
            route.interfaces.push_back(number);
        else if (type == RTA_TABLE && load(value, number))
            route.table = number;
        else if (type == RTA_NH_ID && load(value, number))
            route.nexthopObject = number;
        else if (type == RTA_GATEWAY)
            route.gateway = addressText(value);
        else if (type == RTA_VIA)
            route.gateway = viaText(value);
        else if (type == RTA_MULTIPATH)
            readNextHops(value, route);
    });
    return route;
}

/// Of both families, one after the other.
SysResult<std::string> dumpBoth(const Sysfs& sysfs, std::uint16_t request) {
    std::string messages;
    for (const auto family : std::array<std::uint8_t, 2>{AF_INET, AF_INET6}) {
        auto dump = sysfs.netlinkDump(request, family);
        // A kernel without IPv6.
        if (!dump && family == AF_INET6 &&
            (dump.error().code == EAFNOSUPPORT || dump.error().code == EOPNOTSUPP))
            continue;
        if (!dump)
            return dump;
        messages += *dump;
    }
    return messages;
}

} // namespace

std::vector<DefaultRoute> defaultRoutesIn(std::string_view messages) {
    std::vector<DefaultRoute> routes;
    forEachMessage(messages, [&](unsigned type, std::string_view body) {
        rtmsg message{};
        // The kernel itself makes `unreachable default dev lo` for IPv6.
        if (type == RTM_NEWROUTE && load(body, message) && message.rtm_dst_len == 0 &&
            message.rtm_type == RTN_UNICAST)
            routes.push_back(readRoute(message, after(body, NLMSG_ALIGN(sizeof message))));
    });
    return routes;
}

std::vector<InterfaceAddress> addressesIn(std::string_view messages) {
    std::vector<InterfaceAddress> addresses;
    forEachMessage(messages, [&](unsigned type, std::string_view body) {
        ifaddrmsg message{};
        if (type != RTM_NEWADDR || !load(body, message) || message.ifa_scope >= RT_SCOPE_LINK)
            return;
        std::string local;
        std::string address;
        forEachAttribute(after(body, NLMSG_ALIGN(sizeof message)),
                         [&](unsigned kind, std::string_view value) {
                             if (kind == IFA_LOCAL)
                                 local = addressText(value);
                             if (kind == IFA_ADDRESS) // the other end's, where there is an IFA_LOCAL
                                 address = addressText(value);
                         });
        addresses.push_back({message.ifa_index,
                             fmt::format("{}/{}", local.empty() ? address : local, message.ifa_prefixlen)});
    });
    return addresses;
}

std::vector<NamedDefaultRoute> defaultRoutesInProc(const std::string& route, const std::string& ipv6Route) {
    std::vector<NamedDefaultRoute> routes;
    std::istringstream v4(route);
    for (std::string line; std::getline(v4, line);) {
        std::istringstream words(line);
        std::string interface, destination, gateway, flags, references, use, metric, mask;
        words >> interface >> destination >> gateway >> flags >> references >> use >> metric >> mask;
        if (destination == "00000000" && mask == "00000000" &&
            (std::strtoul(flags.c_str(), nullptr, 16) & RTF_REJECT) == 0)
            routes.push_back({false, interface});
    }
    std::istringstream v6(ipv6Route);
    for (std::string line; std::getline(v6, line);) {
        std::istringstream words(line);
        std::string destination, bits, source, sourceBits, gateway, metric, references, use, flags, interface;
        words >> destination >> bits >> source >> sourceBits >> gateway >> metric >> references >> use >>
            flags >> interface;
        if (bits == "00" && (std::strtoul(flags.c_str(), nullptr, 16) & RTF_REJECT) == 0)
            routes.push_back({true, interface});
    }
    return routes;
}

SysResult<std::vector<NamedDefaultRoute>> readDefaultRoutesOfProcessOne(const Sysfs& sysfs) {
    constexpr std::size_t enough = 16 << 20;
    const auto route = sysfs.read("/proc/1/net/route", enough);
    if (!route)
        return std::unexpected(route.error());
    const auto ipv6Route = readIfThere(sysfs, "/proc/1/net/ipv6_route", enough); // a kernel without IPv6
    if (!ipv6Route)
        return std::unexpected(ipv6Route.error());
    return defaultRoutesInProc(*route, *ipv6Route);
}

SysResult<std::vector<DefaultRoute>> readDefaultRoutes(const Sysfs& sysfs) {
    const auto dump = dumpBoth(sysfs, RTM_GETROUTE);
    if (!dump)
        return std::unexpected(dump.error());
    return defaultRoutesIn(*dump);
}

SysResult<std::vector<InterfaceAddress>> readAddresses(const Sysfs& sysfs) {
    const auto dump = dumpBoth(sysfs, RTM_GETADDR);
    if (!dump)
        return std::unexpected(dump.error());
    return addressesIn(*dump);
}

} // namespace vfiobind
