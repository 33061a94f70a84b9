// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/guard.h"

#include "fake/machine.h"
#include "host_sysfs.h"

#include <fmt/format.h>

namespace vfiobind::guard_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Inspection look(const FakeKernel& kernel, unsigned group = 1, Action action = Action::bind) {
    return inspect(kernel, Topology::read(kernel).value(), group, action);
}

std::vector<std::string> codes(const Inspection& inspection) {
    std::vector<std::string> list;
    for (const auto& blocker : inspection.blockers)
        list.push_back(blocker.code);
    return list;
}

FakeKernel withCard(FakeDevice device) {
    FakeKernel kernel;
    kernel.addVfioPci();
    device.address = "0000:01:00.0";
    device.group = 1;
    kernel.addRootPort("0000:00:01.0", 0, 1);
    kernel.addDevice(std::move(device));
    return kernel;
}

TEST(Guard, NothingAgainstAnOrdinaryGroup) {
    EXPECT_THAT(codes(look(machine(), 3)), IsEmpty());
}

// case 9
TEST(Guard, TheBootDisplayIsTakenWithItsWholeGroup) {
    const auto found = look(machine());
    ASSERT_THAT(codes(found), ElementsAre("boot-display"));
    EXPECT_EQ(found.blockers[0].device, Address::parse(gpu));
    EXPECT_THAT(codes(look(machine(), 1, Action::release)), IsEmpty()) << "given back, it is of use again";
}

/// A card with a network interface needs no look at the host's disks, screens and keyboards.
TEST(Guard, OnlyWhatAFunctionsFoldersCanHoldIsLookedFor) {
    auto kernel = machine();
    const auto folder = devices + std::string(nic);
    kernel.putDirectory(folder + "/power");
    kernel.putDirectory(folder + "/msi_irqs");
    kernel.putFile("/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/net/eth0/flags", "0x1002\n");
    kernel.putLink("/sys/class/net/eth0", "../../devices/pci0000:00/0000:00:02.0/0000:02:00.0/net/eth0");
    HostSysfs host(kernel);
    for (const auto* path :
         {"/sys/class/block", "/sys/class/input", "/sys/dev/char", "/sys/bus/mdev/devices"})
        host.errors[path] = EIO;
    const auto found = [&] { return codes(inspect(host, Topology::read(kernel).value(), 3, Action::bind)); };
    EXPECT_THAT(found(), IsEmpty());
    host.errors["/sys/class/net"] = EIO;
    EXPECT_THAT(found(), ElementsAre("network-up"));
    kernel.putDirectory(folder + "/ptp");
    EXPECT_THAT(found(), ElementsAre("network-up", "in-use"));
    kernel.putDirectory(folder + "/nvme");
    EXPECT_THAT(found(), ElementsAre("storage-member", "network-up", "in-use"));
    kernel.putDirectory(folder + "/usb3");
    EXPECT_THAT(found(), ElementsAre("storage-member", "network-up", "mediated", "in-use", "last-keyboard"));
}

/// FCoE's disks hang on the interface.
TEST(Guard, ANetworkCardsDisksAreLookedForWhereThereIsFCoE) {
    auto kernel = machine();
    kernel.putDirectory(devices + std::string(nic) + "/net");
    HostSysfs host(kernel);
    host.errors["/sys/class/block"] = EIO;
    const auto topology = Topology::read(kernel).value();
    const auto found = [&] { return codes(inspect(host, topology, 3, Action::bind)); };
    EXPECT_THAT(found(), testing::Not(testing::Contains("storage-member")));
    kernel.putDirectory("/sys/bus/fcoe");
    EXPECT_THAT(found(), testing::Contains("storage-member"));
}

/// From before there were classes; without a driver it has no folders.
TEST(Guard, AnOldVgaCardShowsTheConsoleWithoutADriver) {
    auto kernel = withCard({.ids = "5333:8811", .classCode = 0x000100});
    const std::string place = "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0";
    kernel.putFile(place + "/boot_vga", "1\n");
    kernel.putFile("/sys/class/vtconsole/vtcon0/name", "(M) VGA+\n");
    kernel.putFile("/sys/class/vtconsole/vtcon0/bind", "1\n");
    kernel.putFile("/proc/consoles", "tty0                 -WU (EC p  )    4:1\n");
    EXPECT_THAT(codes(look(kernel)), testing::Contains("console"));
}

TEST(Guard, AFunctionWhoseFoldersCannotBeReadMayHoldAnything) {
    auto kernel = machine();
    HostSysfs host(kernel);
    const auto topology = Topology::read(kernel).value();
    host.errors[devices + std::string(nic)] = EIO;
    host.errors["/sys/class/input"] = EIO;
    EXPECT_THAT(codes(inspect(host, topology, 3, Action::bind)), testing::Contains("last-keyboard"));
}

// case 55
TEST(Guard, ADeadDeviceIsInaccessible) {
    const auto dead = look(withCard({.ids = "10de:1284", .classCode = 0x030000, .dead = true}));
    ASSERT_THAT(codes(dead), ElementsAre("inaccessible"));
    EXPECT_THAT(dead.blockers[0].sentence, HasSubstr("config space reads all ones"));
    const auto cold = look(withCard({.ids = "10de:1284", .classCode = 0x030000, .powerState = "D3cold"}));
    ASSERT_THAT(codes(cold), ElementsAre("inaccessible"));
    EXPECT_THAT(cold.blockers[0].sentence, HasSubstr("D3cold"));
}

// case 23
TEST(Guard, ADenylistedDeviceIsPredicted) {
    auto kernel = withCard({.ids = "8086:37c8", .classCode = 0x0b4000});
    EXPECT_THAT(codes(look(kernel)), ElementsAre("denylisted"));
    kernel.putFile("/sys/module/vfio_pci/parameters/disable_denylist", "Y\n");
    EXPECT_THAT(codes(look(kernel)), IsEmpty());
}

// case 56
TEST(Guard, OnlyDirectReservedRegionsForbid) {
    auto kernel = machine();
    kernel.setReservedRegions(3,
                              "0x00000000fee00000 0x00000000feefffff msi\n0x1000 0x1fff direct-relaxable\n");
    EXPECT_THAT(codes(look(kernel, 3)), IsEmpty());
    kernel.setReservedRegions(3, "0x000000007d800000 0x000000007fffffff direct\n");
    const auto found = look(kernel, 3);
    ASSERT_THAT(codes(found), ElementsAre("direct-reserved-region"));
    EXPECT_THAT(found.blockers[0].sentence, HasSubstr("0x000000007d800000-0x000000007fffffff"));
}

// case 35
TEST(Guard, AHolderIsNamedWithItsVm) {
    auto kernel = machine();
    toVfio(kernel, gpu);
    toVfio(kernel, audio);
    ASSERT_EQ(kernel.startHolder({.pid = 812,
                                  .uid = 1000,
                                  .comm = "qemu-system-x86",
                                  .cmdline = "qemu -name guest=win11,x=y",
                                  .group = 1}),
              0);
    const auto found = look(kernel, 1, Action::release);
    EXPECT_THAT(found.holders,
                ElementsAre(Holder{812, 1000, "qemu-system-x86", "qemu-system-x86 (VM win11)"}));
    ASSERT_THAT(codes(found), ElementsAre("held-by-vm"));
    EXPECT_EQ(found.blockers[0].sentence, "group 1 is in use by qemu-system-x86 (pid 812); end it first");
    EXPECT_EQ(forReader(found.blockers, 1000)[0].sentence,
              "group 1 is in use by qemu-system-x86 (VM win11) (pid 812); end it first");
    kernel.endProcess(812);
    EXPECT_THAT(look(kernel, 1, Action::release).holders, IsEmpty());
}

TEST(Guard, AHolderOfTheCharacterDeviceIsFoundToo) {
    auto kernel = machine();
    kernel.version = FakeVersion::v6_12; // Debian's 6.1 is built without CONFIG_VFIO_DEVICE_CDEV
    toVfio(kernel, nic);
    ASSERT_EQ(
        kernel.startHolder({.pid = 9, .comm = "cloud-hyperviso", .cmdline = "cloud-hypervisor", .cdev = nic}),
        0);
    EXPECT_THAT(look(kernel, 3, Action::release).holders,
                ElementsAre(Holder{9, 0, "cloud-hyperviso", "cloud-hyperviso"}));
}

} // namespace
} // namespace vfiobind::guard_test
