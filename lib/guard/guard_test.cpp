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
using testing::SizeIs;

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
    for (const auto* name : {"block", "drm", "graphics", "sound", "input"})
        host.errors[std::string("/sys/class/") + name] = EIO;
    const auto found = [&] { return codes(inspect(host, Topology::read(kernel).value(), 3, Action::bind)); };
    EXPECT_THAT(found(), IsEmpty());
    host.errors["/sys/class/net"] = EIO;
    EXPECT_THAT(found(), ElementsAre("network-up"));
    kernel.putDirectory(folder + "/nvme");
    EXPECT_THAT(found(), ElementsAre("storage-member", "network-up"));
    kernel.putDirectory(folder + "/drm");
    EXPECT_THAT(found(), testing::Contains("display-in-use"));
    EXPECT_THAT(found(), testing::Not(testing::Contains("last-keyboard")));
    kernel.putDirectory(folder + "/usb3");
    EXPECT_THAT(found(), testing::IsSupersetOf({"storage-member", "network-up", "display-in-use",
                                                "sound-in-use", "last-keyboard"}));
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
    ASSERT_EQ(
        kernel.startHolder(
            {.pid = 812, .comm = "qemu-system-x86", .cmdline = "qemu -name guest=win11,x=y", .group = 1}),
        0);
    const auto found = look(kernel, 1, Action::release);
    EXPECT_THAT(found.holders, ElementsAre(Holder{812, "qemu-system-x86 (VM win11)"}));
    ASSERT_THAT(codes(found), ElementsAre("held-by-vm"));
    EXPECT_EQ(found.blockers[0].sentence,
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
    EXPECT_THAT(look(kernel, 3, Action::release).holders, ElementsAre(Holder{9, "cloud-hyperviso"}));
}

/// The fake's files, but /proc/PID/fd of others cannot be listed: the sandbox of the daemon.
class WithoutDacReadSearch final : public Sysfs {
public:
    explicit WithoutDacReadSearch(FakeKernel& kernel) : kernel_(kernel) {}
    std::string closing; ///< a file that is gone when it is read once more
    SysResult<std::string> read(const std::string& path, std::size_t limit) const override {
        if (path == closing && closed_++ > 0)
            return std::unexpected(SysError{"read", path, ENOENT});
        return kernel_.read(path, limit);
    }
    SysResult<void> write(const std::string& path, std::string_view data) override {
        return kernel_.write(path, data);
    }
    SysResult<std::vector<std::string>> list(const std::string& path) const override {
        if (path.ends_with("/fd"))
            return std::unexpected(SysError{"list", path, EACCES});
        return kernel_.list(path);
    }
    SysResult<std::string> link(const std::string& path) const override { return kernel_.link(path); }
    SysResult<std::uint64_t> inode(const std::string& path) const override { return kernel_.inode(path); }
    bool exists(const std::string& path) const override { return kernel_.exists(path); }

private:
    FakeKernel& kernel_;
    mutable unsigned closed_ = 0;
};

TEST(Guard, AHolderIsFoundByInodeWhereDescriptorsCannotBeListed) {
    auto kernel = machine();
    toVfio(kernel, nic);
    kernel.putFile("/proc/77/comm", "qemu\n");
    kernel.putLink("/proc/77/exe", "/usr/bin/qemu");
    const auto inode = kernel.inode("/dev/vfio/3").value();
    kernel.putFile("/proc/77/fdinfo/0", "pos:\t0\nflags:\t02\nmnt_id:\t5\nino:\t1\n");
    const WithoutDacReadSearch files(kernel);
    const auto topology = Topology::read(kernel).value();
    EXPECT_THAT(holders(files, topology, 3), IsEmpty());
    kernel.putFile("/proc/77/fdinfo/14",
                   "pos:\t0\nflags:\t02\nmnt_id:\t5\nino:\t" + std::to_string(inode) + "\n");
    EXPECT_THAT(holders(files, topology, 3), ElementsAre(Holder{77, "qemu"}));
}

TEST(Guard, APipeWithTheNumberOfANodeIsNoHolder) {
    auto kernel = machine();
    toVfio(kernel, nic);
    kernel.putLink("/proc/77/exe", "/usr/bin/python3");
    kernel.putFile("/proc/77/comm", "python3\n");
    kernel.putFile("/proc/77/mountinfo",
                   "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n25 21 0:5 / /dev rw - devtmpfs udev rw\n");
    kernel.putFile("/proc/77/fdinfo/3", "pos:\t0\nflags:\t02\nmnt_id:\t14\nino:\t" +
                                            std::to_string(kernel.inode("/dev/vfio/3").value()) + "\n");
    const WithoutDacReadSearch files(kernel);
    const auto topology = Topology::read(kernel).value();
    EXPECT_THAT(holders(files, topology, 3), IsEmpty())
        << "mount 14 is in no namespace: it is the kernel's own";
    kernel.putFile("/proc/1/mountinfo", "14 1 0:5 / /dev rw - devtmpfs udev rw\n");
    EXPECT_THAT(holders(files, topology, 3), ElementsAre(Holder{77, "python3"}))
        << "opened in another namespace";
    kernel.putFile("/proc/1/mountinfo", "14 1 8:2 / /home rw - ext4 /dev/sda2 rw\n");
    EXPECT_THAT(holders(files, topology, 3), IsEmpty()) << "a file of another file system";
}

// Seen on Linux 6.12: the worker that has looked before ends while the next one looks.
TEST(Guard, AProcessThatEndsMeanwhileMakesNobodyAHolder) {
    auto kernel = machine();
    toVfio(kernel, nic);
    for (const auto* process : {"77", "78"})
        kernel.putLink(fmt::format("/proc/{}/exe", process), "/usr/bin/python3");
    kernel.putFile("/proc/77/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    kernel.putFile("/proc/77/fdinfo/3", "pos:\t0\nflags:\t02\nmnt_id:\t14\nino:\t" +
                                            std::to_string(kernel.inode("/dev/vfio/3").value()) + "\n");
    HostSysfs files(kernel);
    files.errors["/proc/77/fd"] = EACCES;
    files.errors["/proc/78/mountinfo"] = EINVAL;
    const auto topology = Topology::read(kernel).value();
    EXPECT_THAT(holders(files, topology, 3), IsEmpty());
    files.errors["/proc/78/mountinfo"] = EACCES;
    EXPECT_THAT(holders(files, topology, 3), SizeIs(1)) << "mount 14 can be one of that process";
}

TEST(Guard, AChrootHidesNoHolderInItsNamespace) {
    auto kernel = machine();
    toVfio(kernel, nic);
    for (const auto* process : {"77", "78"}) {
        kernel.putLink(fmt::format("/proc/{}/exe", process), "/usr/bin/program");
        kernel.putLink(fmt::format("/proc/{}/ns/mnt", process), "mnt:[2]");
    }
    kernel.putFile("/proc/77/mountinfo", "30 1 8:1 /jail / rw - ext4 /dev/sda1 rw\n");
    kernel.putFile("/proc/78/mountinfo",
                   "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n25 21 0:5 / /dev rw - devtmpfs udev rw\n");
    kernel.putFile("/proc/78/comm", "qemu\n");
    kernel.putFile("/proc/78/fdinfo/3", "pos:\t0\nflags:\t02\nmnt_id:\t25\nino:\t" +
                                            std::to_string(kernel.inode("/dev/vfio/3").value()) + "\n");
    const WithoutDacReadSearch files(kernel);
    EXPECT_THAT(holders(files, Topology::read(kernel).value(), 3), ElementsAre(Holder{78, "qemu"}));
}

TEST(Guard, WhatIsClosedMeanwhileIsNotHeld) {
    auto kernel = machine();
    toVfio(kernel, nic);
    kernel.putLink("/proc/77/exe", "/usr/bin/vfio-bindd"); // no mountinfo: it ends
    kernel.putFile("/proc/77/fdinfo/3", "pos:\t0\nflags:\t02\nmnt_id:\t14\nino:\t" +
                                            std::to_string(kernel.inode("/dev/vfio/3").value()) + "\n");
    WithoutDacReadSearch files(kernel);
    const auto topology = Topology::read(kernel).value();
    EXPECT_THAT(holders(files, topology, 3), SizeIs(1)) << "still open: it may be the node";
    files.closing = "/proc/77/fdinfo/3";
    EXPECT_THAT(holders(files, topology, 3), IsEmpty());
}

// Linux before 5.14
TEST(Guard, DescriptorsThatTellNoInodeAreNotTakenForNobodys) {
    auto kernel = machine();
    toVfio(kernel, nic);
    kernel.putLink("/proc/77/exe", "/usr/bin/qemu");
    kernel.putFile("/proc/77/fdinfo/0", "pos:\t0\nflags:\t02\nmnt_id:\t5\n");
    const WithoutDacReadSearch files(kernel);
    const auto found = inspect(files, Topology::read(kernel).value(), 3, Action::release);
    ASSERT_THAT(codes(found), ElementsAre("held-by-vm"));
    EXPECT_FALSE(found.blockers[0].seen);
    EXPECT_EQ(found.blockers[0].sentence, "whether group 3 is in use cannot be told: look for ino: in "
                                          "/proc/77/fdinfo/0: EOPNOTSUPP (Operation not supported)");
}

} // namespace
} // namespace vfiobind::guard_test
