// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/network.h"

#include "fake/machine.h"
#include "guard/rtnetlink.h"
#include "host_sysfs.h"

namespace vfiobind::network_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

const auto card = Address::parse(nic).value();
constexpr unsigned eth0 = 2;
constexpr unsigned bond0 = 7;
constexpr std::uint32_t mainTable = 254;

/// An interface in /sys/class/net; `place` is below /sys/devices.
void putInterface(FakeKernel& kernel, const std::string& name, const std::string& place, unsigned index,
                  bool up = false, bool link = false) {
    const auto folder = "/sys/devices/" + place + "/net/" + name;
    kernel.putFile(folder + "/ifindex", std::to_string(index) + '\n');
    kernel.putFile(folder + "/flags", up ? "0x1003\n" : "0x1002\n");
    kernel.putFile(folder + "/carrier", link ? "1\n" : "0\n");
    kernel.putLink("/sys/class/net/" + name, "../../devices/" + place + "/net/" + name);
}

void stack(FakeKernel& kernel, const std::string& lower, const std::string& upper, unsigned index,
           const std::string& type) {
    if (!kernel.exists("/sys/class/net/" + upper))
        putInterface(kernel, upper, "virtual", index, true, true);
    kernel.putFile("/sys/class/net/" + upper + "/uevent", "DEVTYPE=" + type + "\nINTERFACE=" + upper + '\n');
    kernel.putLink("/sys/class/net/" + lower + "/upper_" + upper, "../../../virtual/net/" + upper);
}

const std::string place = "pci0000:00/0000:00:02.0/0000:02:00.0";

FakeKernel withInterface(bool up = false, bool link = false) {
    auto kernel = machine();
    putInterface(kernel, "eth0", place, eth0, up, link);
    putInterface(kernel, "eth9", "pci0000:00/0000:00:02.1/0000:09:00.0", 9, true, true);
    kernel.putFile("/sys/class/net/bonding_masters", "\n");
    return kernel;
}

std::vector<std::string> sentences(const Sysfs& sysfs) {
    std::vector<std::string> list;
    for (const auto& blocker : networkBlockers(sysfs, card))
        list.push_back(blocker.str());
    return list;
}

std::string defaultRoute(std::uint8_t family, unsigned interface, const std::string& gateway,
                         std::uint32_t table = mainTable) {
    auto message = routeMessage(family, 0, table);
    message.with(RTA_OIF, interface);
    if (!gateway.empty())
        message.with(RTA_GATEWAY, addressBytes(gateway));
    return message.str();
}

// case 7
TEST(Network, AnInterfaceThatIsDownIsFree) {
    auto kernel = withInterface();
    EXPECT_THAT(sentences(HostSysfs(kernel)), IsEmpty());
}

// A route of several hops outlives one that is down, which is marked dead and carries nothing.
TEST(Network, AnInterfaceThatIsDownCarriesARouteOnlyUnderAnother) {
    auto kernel = withInterface();
    HostSysfs host(kernel);
    host.dumps[{RTM_GETROUTE, AF_INET}] = defaultRoute(AF_INET, eth0, "192.0.2.1");
    EXPECT_THAT(sentences(host), IsEmpty());
    stack(kernel, "eth0", "bond0", 10, "bond");
    host.dumps[{RTM_GETROUTE, AF_INET}] = defaultRoute(AF_INET, 10, "192.0.2.1");
    EXPECT_THAT(sentences(host),
                ElementsAre(HasSubstr("network-stacked: "), HasSubstr("via 192.0.2.1, eth0 -> bond0")));
}

// case 7
TEST(Network, AnInterfaceThatIsUpWithNeitherLinkNorAddressIsFree) {
    auto kernel = withInterface(true, false);
    HostSysfs host(kernel);
    host.dumps[{RTM_GETADDR, AF_INET6}] = addressMessage(AF_INET6, eth0, 64, RT_SCOPE_LINK, "fe80::1").str();
    host.dumps[{RTM_GETROUTE, AF_INET}] = defaultRoute(AF_INET, 9, "192.0.2.1"); // another card's
    EXPECT_THAT(sentences(host), IsEmpty());
    kernel.putFile("/sys/class/net/eth0/carrier", "1\n");
    EXPECT_THAT(sentences(host),
                ElementsAre("network-up: eth0 of 0000:02:00.0 is up and has a link; take it down "
                            "first: ip link set eth0 down"));
}

TEST(Network, AnAddressMakesItUsed) {
    auto kernel = withInterface(true, false);
    HostSysfs host(kernel);
    host.dumps[{RTM_GETADDR, AF_INET}] =
        addressMessage(AF_INET, eth0, 24, RT_SCOPE_UNIVERSE, "192.0.2.5").str();
    EXPECT_THAT(sentences(host),
                ElementsAre("network-up: eth0 of 0000:02:00.0 is up with 192.0.2.5/24 (eth0); take "
                            "it down first"));
}

// case 7
TEST(Network, ADefaultRouteIsNamedWithItsWay) {
    auto kernel = withInterface(true);
    HostSysfs host(kernel);
    host.dumps[{RTM_GETROUTE, AF_INET}] = routeMessage(AF_INET, 24, mainTable).with(RTA_OIF, eth0).str() +
                                          defaultRoute(AF_INET, eth0, "192.0.2.1");
    EXPECT_THAT(
        sentences(host),
        ElementsAre(
            "default-route: eth0 of 0000:02:00.0 carries the default route (IPv4 via 192.0.2.1, eth0, "
            "table main); route it elsewhere first"));
    host.dumps[{RTM_GETROUTE, AF_INET}] = routeMessage(AF_INET, 24, mainTable).with(RTA_OIF, eth0).str();
    EXPECT_THAT(sentences(host), IsEmpty()) << "a route to one network";
}

// case 7
TEST(Network, ADefaultRouteOfIPv6AndOfAPolicyTableCountsToo) {
    auto kernel = withInterface(true);
    HostSysfs host(kernel);
    host.dumps[{RTM_GETROUTE, AF_INET6}] =
        routeMessage(AF_INET6, 0, mainTable, RTN_UNREACHABLE).with(RTA_OIF, eth0).str();
    EXPECT_THAT(sentences(host), IsEmpty()) << "the kernel's own";
    host.dumps[{RTM_GETROUTE, AF_INET6}] += defaultRoute(AF_INET6, eth0, "fe80::5");
    EXPECT_THAT(sentences(host), ElementsAre(HasSubstr("(IPv6 via fe80::5, eth0, table main)")));
    host.dumps[{RTM_GETROUTE, AF_INET6}].clear();
    host.dumps[{RTM_GETROUTE, AF_INET}] = defaultRoute(AF_INET, eth0, "", 1000);
    EXPECT_THAT(sentences(host), ElementsAre(HasSubstr("(IPv4, eth0, table 1000)")));
}

// case 7
TEST(Network, UpperDevicesOfEveryKindAreFollowed) {
    for (const auto* type : {"bond", "bridge", "vlan", "macvlan", "team"}) {
        auto kernel = withInterface(true, true);
        stack(kernel, "eth0", "up0", bond0, type);
        const HostSysfs host(kernel);
        const auto found = sentences(host);
        ASSERT_EQ(found.size(), 2U) << type;
        EXPECT_EQ(found[0], std::string("network-stacked: eth0 of 0000:02:00.0 is under ") + type +
                                " up0; take it out of there first");
    }
}

// case 7
TEST(Network, TheRouteOfABridgeOverABondIsFollowedToTheCard) {
    auto kernel = withInterface(true, true);
    stack(kernel, "eth0", "bond0", bond0, "bond");
    stack(kernel, "bond0", "br0", 8, "bridge");
    HostSysfs host(kernel);
    host.dumps[{RTM_GETROUTE, AF_INET}] = defaultRoute(AF_INET, 8, "192.0.2.1");
    host.dumps[{RTM_GETADDR, AF_INET}] = addressMessage(AF_INET, 8, 24, RT_SCOPE_UNIVERSE, "192.0.2.5").str();
    EXPECT_THAT(
        sentences(host),
        ElementsAre(
            "network-stacked: eth0 of 0000:02:00.0 is under bond bond0, bridge br0; take it out of "
            "there first",
            "default-route: eth0 of 0000:02:00.0 carries the default route (IPv4 via 192.0.2.1, eth0 "
            "-> bond0 -> br0, table main); route it elsewhere first",
            "network-up: eth0 of 0000:02:00.0 is up with 192.0.2.5/24 (eth0 -> bond0 -> br0); take it "
            "down first"));
}

// case 8
TEST(Network, AnInterfaceInAnotherNamespaceIsNoticed) {
    auto kernel = machine();
    EXPECT_THAT(sentences(HostSysfs(kernel)), IsEmpty()) << "a driver that makes no interface";
    kernel.putDirectory("/sys/devices/" + place + "/net");
    EXPECT_THAT(
        sentences(HostSysfs(kernel)),
        ElementsAre("network-stacked: 0000:02:00.0 has a network interface in another network namespace (a "
                    "container's?); bring it back first"));
    kernel.putLink("/proc/1/ns/net", "net:[4026531840]");
    kernel.putLink("/proc/self/ns/net", "net:[4026531840]");
    EXPECT_THAT(sentences(HostSysfs(kernel)), ElementsAre(HasSubstr("in another network namespace")));
    kernel.putLink("/proc/self/ns/net", "net:[4026532201]");
    EXPECT_THAT(sentences(HostSysfs(kernel)), ElementsAre(HasSubstr("from this network namespace")));
    auto virtio = machine();
    virtio.putDirectory("/sys/devices/" + place + "/virtio3/net");
    EXPECT_THAT(sentences(HostSysfs(virtio)), ElementsAre(HasSubstr("another network namespace")));
}

// case 8
TEST(Network, OneOfTwoInterfacesInAnotherNamespaceIsNoticed) {
    auto kernel = machine();
    putInterface(kernel, "eth0", place, eth0);
    EXPECT_THAT(sentences(HostSysfs(kernel)), IsEmpty()) << "it is down";
    kernel.hideFolders("/sys/devices/" + place + "/net", 1);
    EXPECT_THAT(
        sentences(HostSysfs(kernel)),
        ElementsAre("network-stacked: 0000:02:00.0 has a network interface in another network namespace (a "
                    "container's?); bring it back first"));
    kernel.hideFolders("/sys/devices/" + place + "/net", 3);
    EXPECT_THAT(sentences(HostSysfs(kernel)), ElementsAre(HasSubstr("has 3 network interfaces in another")));
}

// case 8
TEST(Network, AUsbInterfaceInAnotherNamespaceIsNoticedBehindHubs) {
    for (const std::string below : {"/usb2/2-1/2-1:1.0", "/usb2/2-1/2-1.4/2-1.4.2/2-1.4.2:1.0"}) {
        auto kernel = machine();
        kernel.putFile("/sys/devices/" + place + "/usb2/2-0:1.0/bInterfaceClass", "09\n");
        EXPECT_THAT(sentences(HostSysfs(kernel)), IsEmpty());
        kernel.putDirectory("/sys/devices/" + place + below + "/net");
        EXPECT_THAT(sentences(HostSysfs(kernel)), ElementsAre(HasSubstr("another network namespace")))
            << below;
        HostSysfs blind(kernel);
        blind.errors[devices + nic + "/usb2/2-1"] = EIO;
        EXPECT_THAT(sentences(blind), ElementsAre(HasSubstr("/usb2/2-1: EIO")));
        kernel.dropPath("/sys/devices/" + place + below + "/net");
        putInterface(kernel, "eth1", place + below, eth0);
        EXPECT_THAT(sentences(HostSysfs(kernel)), IsEmpty()) << "here, and down";
    }
}

TEST(Network, InterfacesOfVirtioAndUsbHangOnTheirCard) {
    for (const auto* below : {"/virtio3", "/usb1/1-2/1-2:1.0"}) {
        auto kernel = machine();
        putInterface(kernel, "eth0", place + below, eth0, true, true);
        EXPECT_THAT(sentences(HostSysfs(kernel)), ElementsAre(HasSubstr("eth0 of 0000:02:00.0 is up")))
            << below;
    }
}

TEST(Network, WhatCannotBeReadIsNotTakenForFree) {
    auto kernel = withInterface(true, false);
    HostSysfs host(kernel);
    host.dumpError = EPERM;
    EXPECT_THAT(
        sentences(host),
        ElementsAre("default-route: whether 0000:02:00.0 carries the default route cannot be told: dump "
                    "rtnetlink: EPERM (Operation not permitted)",
                    "network-up: whether 0000:02:00.0 has an address cannot be told: dump rtnetlink: EPERM "
                    "(Operation not permitted)"));
    kernel = withInterface();
    EXPECT_THAT(sentences(host), IsEmpty()) << "what is down has no part in the network";
    for (const auto* path : {"/sys/class/net", "/sys/class/net/eth0", "/sys/class/net/eth0/flags"}) {
        HostSysfs blind(kernel);
        blind.errors[path] = EIO;
        const auto found = networkBlockers(blind, card);
        ASSERT_EQ(found.size(), 1U) << path;
        EXPECT_FALSE(found[0].seen);
    }
}

// vfio-bind-early.service has no netlink.
TEST(Network, WithoutNetlinkTheRoutesOfProcessOneAreRead) {
    auto kernel = withInterface(true);
    stack(kernel, "eth0", "bond0", bond0, "bond");
    kernel.putFile("/proc/1/net/route",
                   "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                   "bond0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
                   "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
    HostSysfs host(kernel);
    host.dumpError = EAFNOSUPPORT;
    EXPECT_THAT(sentences(host),
                ElementsAre(HasSubstr("network-stacked"),
                            "default-route: eth0 of 0000:02:00.0 carries the default route (IPv4, "
                            "eth0 -> bond0); route it elsewhere first"));
    kernel.dropPath("/proc/1/net/route");
    EXPECT_THAT(sentences(host),
                ElementsAre(HasSubstr("network-stacked"),
                            HasSubstr("carries the default route cannot be told: read /proc/1/net")));
}

TEST(RoutesOfProc, DefaultRoutesOfBothFamiliesWithoutTheKernelsOwn) {
    const std::string zero(32, '0');
    const auto v6 = zero + " 00 " + zero +
                    " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 "
                    "    eth1\n" +
                    zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n" +
                    zero + " 40 " + zero + " 00 " + zero + " 00000100 00000001 00000000 00000001     eth2\n";
    EXPECT_THAT(
        defaultRoutesInProc("Iface\tDestination\n*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\n", v6),
        ElementsAre(NamedDefaultRoute{true, "eth1"}));
}

TEST(Network, ANextHopWhoseInterfaceIsHiddenIsNotTakenForFree) {
    auto kernel = withInterface(true, false);
    HostSysfs host(kernel);
    host.dumps[{RTM_GETROUTE, AF_INET}] = routeMessage(AF_INET, 0, mainTable).with(RTA_NH_ID, 12U).str();
    EXPECT_THAT(sentences(host), ElementsAre(HasSubstr("it goes through next hop 12")));
    kernel.putFile("/sys/class/net/eth0/flags", "0x1002\n");
    EXPECT_THAT(sentences(host), IsEmpty()) << "an interface that is down carries nothing";
}

TEST(Rtnetlink, AMultipathRouteHasAllItsInterfaces) {
    std::string hops;
    for (const unsigned interface : {eth0, 9U}) {
        rtnexthop hop{};
        const auto gateway =
            NetlinkMessage::attribute(RTA_GATEWAY, addressBytes("192.0.2." + std::to_string(interface)));
        hop.rtnh_ifindex = static_cast<int>(interface);
        hop.rtnh_len = static_cast<unsigned short>(sizeof hop + gateway.size());
        hops.append(reinterpret_cast<const char*>(&hop), sizeof hop);
        hops += gateway;
    }
    const auto routes = defaultRoutesIn(routeMessage(AF_INET, 0, mainTable).with(RTA_MULTIPATH, hops).str());
    ASSERT_EQ(routes.size(), 1U);
    EXPECT_EQ(routes[0], (DefaultRoute{.table = mainTable, .interfaces = {eth0, 9}, .gateway = "192.0.2.2"}));
}

TEST(Rtnetlink, AGatewayOfTheOtherFamilyIsRead) {
    const std::string via = std::string(2, '\0') + addressBytes("fe80::1");
    const auto routes =
        defaultRoutesIn(routeMessage(AF_INET, 0, mainTable).with(RTA_OIF, eth0).with(RTA_VIA, via).str());
    ASSERT_EQ(routes.size(), 1U);
    EXPECT_EQ(routes[0].gateway, "fe80::1");
}

TEST(Rtnetlink, AnAddressOfAPointToPointLinkIsTheLocalOne) {
    auto message = addressMessage(AF_INET, eth0, 32, RT_SCOPE_UNIVERSE, "192.0.2.9");
    const auto found = addressesIn(message.with(IFA_LOCAL, addressBytes("192.0.2.8")).str());
    EXPECT_THAT(found, ElementsAre(InterfaceAddress{eth0, "192.0.2.8/32"}));
}

TEST(Rtnetlink, MessagesThatAreCutOffEndTheReading) {
    const auto whole = defaultRoute(AF_INET, eth0, "192.0.2.1");
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_THAT(defaultRoutesIn(whole.substr(0, size)), IsEmpty()) << size;
    EXPECT_EQ(defaultRoutesIn(whole + whole.substr(0, 20)).size(), 1U);
}

} // namespace
} // namespace vfiobind::network_test
