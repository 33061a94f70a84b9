// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/network.h"

#include "guard/look.h"
#include "guard/rtnetlink.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <linux/if.h>
#include <map>
#include <optional>
#include <utility>

namespace vfiobind {
namespace {

std::string netPath(const std::string& interface, std::string_view file) {
    return fmt::format("/sys/class/net/{}/{}", interface, file);
}

/// `main`, `100`: as ip-route(8) names tables where /etc/iproute2/rt_tables says no more.
std::string tableName(std::uint32_t table) {
    return table == 254 ? "main" : table == 253 ? "default" : std::to_string(table);
}

/// What an upper device is, as its DEVTYPE or its own folder tells.
std::string kindOf(const Sysfs& sysfs, const std::string& interface) {
    for (const auto* kind : {"bonding", "bridge"})
        if (sysfs.exists(netPath(interface, kind)))
            return kind == std::string_view("bonding") ? "bond" : kind;
    const auto uevent = sysfs.read(netPath(interface, "uevent"), 4096).value_or(std::string{});
    constexpr std::string_view key = "DEVTYPE=";
    const auto at = uevent.find(key);
    if (at == std::string::npos)
        return "virtual interface";
    const auto from = at + key.size();
    return uevent.substr(from, uevent.find('\n', from) - from);
}

class NetworkLook {
public:
    NetworkLook(const Sysfs& sysfs, const Address& device) : sysfs_(sysfs), device_(device) {}

    Blockers look() {
        const auto interfaces = classEntriesBelow(sysfs_, "net", device_);
        if (!interfaces) {
            unknown("network-up", "has network interfaces in use", interfaces.error());
            return std::move(blockers_);
        }
        lookForMoved("/sys/bus/pci/devices/" + device_.str());
        for (const auto& [name, place] : *interfaces)
            lookAt(name);
        return std::move(blockers_);
    }

private:
    void refuse(const char* code, const std::string& interface, const std::string& sentence) {
        blockers_.push_back({code, device_, fmt::format("{} of {} {}", interface, device_.str(), sentence)});
    }
    void unknown(const char* code, const char* question, const SysError& error) {
        blockers_.push_back(cannotTell(code, device_, fmt::format("{} {}", device_.str(), question), error));
    }

    void readRoutes() {
        if (std::exchange(routesRead_, true))
            return;
        auto routes = readDefaultRoutes(sysfs_);
        if (!routes && routes.error().code == EAFNOSUPPORT) {
            if (auto named = readDefaultRoutesOfProcessOne(sysfs_))
                namedRoutes_ = std::move(*named);
            else
                unknown("default-route", "carries the default route", named.error());
            return;
        }
        if (routes)
            routes_ = std::move(*routes);
        else
            unknown("default-route", "carries the default route", routes.error());
    }

    /// None in a sandbox without netlink (EAFNOSUPPORT).
    const std::vector<InterfaceAddress>& addresses() {
        if (!addresses_) {
            auto read = readAddresses(sysfs_);
            if (!read && read.error().code != EAFNOSUPPORT)
                unknown("network-up", "has an address", read.error());
            addresses_ = std::move(read).value_or(std::vector<InterfaceAddress>{});
        }
        return *addresses_;
    }

    /// An interface in another namespace is in the folder `net` of its device nevertheless: it is counted
    /// there and not shown. The folder goes with the last interface that is unregistered (cleanup_glue_dir in
    /// drivers/base/core.c).
    void lookForMoved(const std::string& folder) {
        const auto names = sysfs_.folders(folder);
        if (!names) {
            if (!isGone(names.error()))
                unknown("network-stacked", "has interfaces in other namespaces", names.error());
            return;
        }
        for (const auto& name : *names)
            if (name == "net")
                lookWhetherMoved(folder + "/net");
            else if (name.starts_with("virtio") || isUsb(name))
                lookForMoved(folder + '/' + name);
    }

    /// A root hub (`usb2`), a USB device (`2-1.4`) or an interface of one (`2-1.4:1.0`): these are folders,
    /// and no links.
    static bool isUsb(std::string_view name) {
        if (!name.starts_with("usb") && !name.contains('-'))
            return false;
        const auto bus = name.starts_with("usb") ? name.substr(3) : name.substr(0, name.find('-'));
        return !bus.empty() && bus.find_first_not_of("0123456789") == std::string_view::npos;
    }

    void lookWhetherMoved(const std::string& folder) {
        // First, so that one which comes in between is not taken for a hidden one.
        const auto counted = sysfs_.countedFolders(folder);
        const auto shown = sysfs_.folders(folder);
        if (!counted || !shown) {
            const auto& error = !counted ? counted.error() : shown.error();
            if (!isGone(error))
                unknown("network-stacked", "has interfaces in other namespaces", error);
        } else if (shown->empty() || *counted > shown->size()) {
            const auto hidden = std::max<std::size_t>(*counted, 1) - shown->size();
            const auto what = hidden == 1 ? std::string("a network interface")
                                          : fmt::format("{} network interfaces", hidden);
            blockers_.push_back(
                {"network-stacked", device_,
                 fmt::format("{} has {} {}", device_.str(), what,
                             seesHostsNetwork() ? "in another network namespace (a container's?); bring it "
                                                  "back first"
                                                : "that cannot be seen from this network namespace, which "
                                                  "is not the host's")});
        }
    }

    /// /sys/class/net shows one network namespace only, and vfio-bind-early.service has one of its own.
    bool seesHostsNetwork() const {
        const auto own = sysfs_.link("/proc/self/ns/net");
        const auto hosts = sysfs_.link("/proc/1/ns/net");
        return !own || !hosts || *own == *hosts;
    }

    void collectUppers(const std::string& interface, std::map<std::string, std::string>& uppers,
                       const std::string& chain) {
        const auto names = listIfThere(sysfs_, "/sys/class/net/" + interface);
        if (!names) {
            unknown("network-stacked", "is part of a bond or a bridge", names.error());
            return;
        }
        constexpr std::string_view prefix = "upper_";
        for (const auto& name : *names) {
            if (!name.starts_with(prefix))
                continue;
            const auto upper = name.substr(prefix.size());
            if (uppers.emplace(upper, chain + " -> " + upper).second)
                collectUppers(upper, uppers, chain + " -> " + upper);
        }
    }

    void lookAt(const std::string& interface) {
        std::map<std::string, std::string> uppers;
        collectUppers(interface, uppers, interface);
        if (!uppers.empty()) {
            std::string text;
            for (const auto& [upper, chain] : uppers)
                text += fmt::format("{}{} {}", text.empty() ? "" : ", ", kindOf(sysfs_, upper), upper);
            refuse("network-stacked", interface,
                   fmt::format("is under {}; take it out of there first", text));
        }
        const auto up = isUp(interface);
        if (up && !*up && uppers.empty())
            return; // it carries no route, and what it has of addresses nobody reaches
        readRoutes();
        std::map<unsigned, std::string> chains{{indexOf(interface), interface}};
        for (const auto& [upper, chain] : uppers)
            chains.emplace(indexOf(upper), chain);
        lookForRoutes(interface, chains, up.value_or(true));
        for (const auto& route : namedRoutes_)
            if (route.interface == interface || uppers.contains(route.interface))
                refuse("default-route", interface,
                       fmt::format("carries the default route ({}, {}); route it elsewhere first",
                                   route.v6 ? "IPv6" : "IPv4",
                                   route.interface == interface ? interface : uppers.at(route.interface)));
        if (up && *up)
            lookForUse(interface, chains);
    }

    unsigned indexOf(const std::string& interface) {
        const auto text = readIfThere(sysfs_, netPath(interface, "ifindex"), 16);
        if (!text)
            unknown("default-route", "carries the default route", text.error());
        return static_cast<unsigned>(std::strtoul(text.value_or(std::string{}).c_str(), nullptr, 10));
    }

    void lookForRoutes(const std::string& interface, const std::map<unsigned, std::string>& chains, bool up) {
        for (const auto& route : routes_) {
            const auto family = route.v6 ? "IPv6" : "IPv4";
            const auto on = std::ranges::find_if(route.interfaces,
                                                 [&](unsigned index) { return chains.contains(index); });
            if (on != route.interfaces.end()) {
                refuse("default-route", interface,
                       fmt::format("carries the default route ({}{}, {}, table {}); route it elsewhere first",
                                   family, route.gateway.empty() ? "" : " via " + route.gateway,
                                   chains.at(*on), tableName(route.table)));
                return;
            }
            if (route.interfaces.empty() && route.nexthopObject != 0 && up) {
                blockers_.push_back(
                    {"default-route", device_,
                     fmt::format("whether {} of {} carries the {} default route cannot be told: "
                                 "it goes through next hop {}, and the sysctl "
                                 "nexthop_compat_mode=0 hides its interface",
                                 interface, device_.str(), family, route.nexthopObject),
                     false});
                return;
            }
        }
    }

    /// Nothing where it cannot be told, which it has then said.
    std::optional<bool> isUp(const std::string& interface) {
        const auto flags = readIfThere(sysfs_, netPath(interface, "flags"), 32);
        if (!flags) {
            unknown("network-up", "has network interfaces in use", flags.error());
            return std::nullopt;
        }
        return (std::strtoul(flags->c_str(), nullptr, 16) & IFF_UP) != 0;
    }

    void lookForUse(const std::string& interface, const std::map<unsigned, std::string>& chains) {
        const auto address = std::ranges::find_if(
            addresses(), [&](const InterfaceAddress& one) { return chains.contains(one.interface); });
        if (address != addresses().end()) {
            refuse("network-up", interface,
                   fmt::format("is up with {} ({}); take it down first", address->text,
                               chains.at(address->interface)));
            return;
        }
        const auto carrier = sysfs_.read(netPath(interface, "carrier"), 8);
        if (carrier && *carrier == "1")
            refuse("network-up", interface,
                   fmt::format("is up and has a link; take it down first: ip link set {} down", interface));
        else if (!carrier && !isGone(carrier.error()) && carrier.error().code != EINVAL)
            unknown("network-up", "has a link", carrier.error());
    }

    const Sysfs& sysfs_;
    Address device_;
    bool routesRead_ = false;
    std::vector<DefaultRoute> routes_;
    std::vector<NamedDefaultRoute> namedRoutes_;
    std::optional<std::vector<InterfaceAddress>> addresses_;
    Blockers blockers_;
};

} // namespace

Blockers networkBlockers(const Sysfs& sysfs, const Address& device) {
    return NetworkLook(sysfs, device).look();
}

} // namespace vfiobind
