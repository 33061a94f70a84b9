// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/processes.h"

#include "fake/machine.h"
#include "host_sysfs.h"

#include <fmt/format.h>

namespace vfiobind::processes_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const DeviceNumber card{.major = 226, .minor = 1};

std::string usersOf(const Sysfs& sysfs, const DeviceNumber& device = card) {
    return named(Programs(sysfs).openersOf({device}).found);
}

TEST(Programs, AnOpenDeviceIsKnownByItsNumberUnderWhateverName) {
    FakeKernel kernel;
    kernel.openNode(
        {.pid = 812, .program = "cage", .number = "226:1", .shownAs = "/srv/jail/mycard", .uid = 1000});
    kernel.openNode({.pid = 813, .program = "mpv", .number = "226:0", .shownAs = "/dev/dri/card1"});
    kernel.openNode({.pid = 814, .program = "dd", .number = "226:1", .block = true});
    EXPECT_EQ(usersOf(kernel), "cage (pid 812)");
    const auto openers = Programs(kernel).openersOf({card}).found;
    ASSERT_THAT(openers, SizeIs(1));
    EXPECT_EQ(openers[0].uid, 1000U);
    EXPECT_EQ(openers[0].device, card);
}

TEST(Programs, OnlyItsOwnUserAndRootAreToldTheNameOfAVm) {
    FakeKernel kernel;
    kernel.openNode({.pid = 812, .program = "qemu-system-x86", .number = "226:1"});
    kernel.putFile("/proc/812/cmdline", std::string("qemu\0-name\0guest=payroll\n,x=y\0", 30));
    const auto openers = Programs(kernel).openersOf({card}).found;
    ASSERT_THAT(openers, SizeIs(1));
    EXPECT_EQ(openers[0].program, "qemu-system-x86");
    EXPECT_EQ(openers[0].command, "qemu-system-x86 (VM payroll\\n)");
    EXPECT_EQ(named(openers), "qemu-system-x86 (pid 812)");
}

TEST(Programs, AProgramsNameCannotWriteTheLog) {
    FakeKernel kernel;
    kernel.openNode({.pid = 812, .program = "x", .number = "226:1"});
    kernel.putFile("/proc/812/comm", "a\nb\x1b[31m\n");
    EXPECT_EQ(usersOf(kernel), "a\\nb\\x1b[31m (pid 812)");
}

TEST(Programs, AThreadCanHaveATableOfItsOwn) {
    FakeKernel kernel;
    kernel.openNode({.pid = 812, .program = "go", .number = "1:3"});
    kernel.openNode({.pid = 812, .program = "go", .number = "226:1", .thread = 815});
    EXPECT_EQ(usersOf(kernel), "go (pid 812)");
}

TEST(Programs, AProcessWhoseFirstThreadHasEndedHasItsDevicesOpen) {
    FakeKernel kernel;
    kernel.openNode({.pid = 812, .program = "go", .number = "226:1", .thread = 815});
    ASSERT_FALSE(kernel.exists("/proc/812/exe"));
    EXPECT_EQ(usersOf(kernel), "go (pid 812)");
}

TEST(Programs, WhoMayNotBeLookedAtMayHaveItOpen) {
    FakeKernel kernel;
    kernel.openNode({.pid = 812, .program = "cage", .number = "226:1"});
    kernel.putDirectory("/proc/812/task/812");
    kernel.openNode({.pid = 812, .program = "cage", .number = "226:1", .thread = 815});
    for (const auto* path : {"/proc", "/proc/812/fd", "/proc/812/fd/7", "/proc/812/task/815/fd"}) {
        HostSysfs blind(kernel);
        blind.errors[path] = EACCES;
        const auto openers = Programs(blind).openersOf({card});
        ASSERT_THAT(openers.unreadable, SizeIs(1)) << path;
        EXPECT_EQ(openers.unreadable[0].path, path);
        blind.errors[path] = ESRCH; // it has ended
        EXPECT_THAT(Programs(blind).openersOf({card}).unreadable, IsEmpty()) << path;
    }
}

/// What is found of 812 with the files.
bool trusted(const std::string& cgroup, const std::string& program = "udevadm", unsigned uid = 0) {
    FakeKernel kernel;
    kernel.openNode({.pid = 812, .program = program, .number = "1:3", .uid = uid});
    if (!cgroup.empty())
        kernel.putFile("/proc/812/cgroup", cgroup + '\n');
    return isOfService(kernel, 812, "systemd-udevd");
}

TEST(Service, IsKnownByWhatNobodyElseCanMakeLookSo) {
    EXPECT_TRUE(trusted("0::/system.slice/systemd-udevd.service", "anything"));
    EXPECT_TRUE(trusted("0::/system.slice/systemd-udevd.service/udev", "mdadm"));
    EXPECT_TRUE(trusted("12:pids:/x\n1:name=systemd:/system.slice/systemd-udevd.service\n0::/", "mdadm"));
    EXPECT_FALSE(
        trusted("0::/user.slice/user-1000.slice/user@1000.service/system.slice/systemd-udevd.service"))
        << "a user may name a group below his own as he likes";
    EXPECT_FALSE(trusted("0::/system.slice/systemd-udevd.service.d"));
    EXPECT_FALSE(trusted("5:cpu:/system.slice/systemd-udevd.service\n0::/user.slice"));
    EXPECT_FALSE(trusted("0::/system.slice/ssh.service"));
}

TEST(Service, WithoutControlGroupsIsKnownByRootsExecutable) {
    EXPECT_TRUE(trusted("", "udevadm"));
    EXPECT_TRUE(trusted("0::/", "systemd-udevd"));
    EXPECT_FALSE(trusted("", "udevadm", 1000)) << "the same path in a namespace of his own";
    EXPECT_FALSE(trusted("", "(udev-worker)"));
    FakeKernel kernel;
    kernel.openNode({.pid = 812, .program = "udevadm", .number = "1:3"});
    HostSysfs blind(kernel);
    blind.errors["/proc/812/cgroup"] = EACCES;
    EXPECT_FALSE(isOfService(blind, 812, "systemd-udevd"));
}

} // namespace
} // namespace vfiobind::processes_test
