// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/in_use.h"

#include "fake/machine.h"
#include "guard/guard.h"
#include "host_sysfs.h"

namespace vfiobind::in_use_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string place = "pci0000:00/0000:00:02.0/0000:02:00.0";

/// The device of group 3 with nodes of all kinds.
FakeKernel withNodes() {
    auto kernel = machine();
    kernel.addNode({place + "/tty/ttyS4", "tty", "4:68", "ttyS4"});
    kernel.addNode({place + "/usb3/3-2", "usb", "189:257", "bus/usb/003/002", "bus"});
    kernel.addNode({place + "/nvme/nvme0/ng0n1", "nvme-generic", "242:0", "ng0n1"});
    kernel.addNode({place + "/host2/target2:0:0/2:0:0:0/scsi_generic/sg1", "scsi_generic", "21:1", "sg1"});
    kernel.addNode({place + "/input/input5/event5", "input", "13:69", "input/event5"});
    kernel.addNode({place + "/drm/card0", "drm", "226:0", "dri/card0"});
    kernel.addNode({place + "/new_class/thing0", "new_class", "500:7", "thing0"});
    return kernel;
}

std::vector<std::string> sentences(const Sysfs& sysfs) {
    std::vector<std::string> list;
    for (const auto& blocker : inspect(sysfs, Topology::read(sysfs).value(), 3, Action::bind).blockers)
        list.push_back(blocker.str());
    return list;
}

TEST(InUse, ANodeOfEveryKindIsSeenAndNamed) {
    const std::map<std::string, std::string> nodes{
        {"4:68", "/dev/ttyS4 (tty)"},           {"189:257", "/dev/bus/usb/003/002 (usb)"},
        {"242:0", "/dev/ng0n1 (nvme-generic)"}, {"21:1", "/dev/sg1 (scsi_generic)"},
        {"13:69", "/dev/input/event5 (input)"}, {"500:7", "/dev/thing0 (new_class)"}};
    for (const auto& [number, text] : nodes)
        for (const unsigned uid : {0U, 1000U}) {
            auto kernel = withNodes();
            EXPECT_THAT(sentences(kernel), IsEmpty());
            const FakeOpen open{
                .pid = 77, .program = "user", .number = number, .shownAs = "/srv/x", .uid = uid};
            kernel.openNode(open);
            EXPECT_THAT(sentences(kernel), ElementsAre("in-use: user (pid 77) has " + text +
                                                       " open, which is of 0000:02:00.0; end it first"));
            kernel.closeNode(open);
            EXPECT_THAT(sentences(kernel), IsEmpty()) << number;
        }
}

TEST(InUse, SeveralNodesOfOneProcessAreOneSentence) {
    auto kernel = withNodes();
    int fd = 3;
    for (const auto* number : {"4:68", "189:257", "242:0", "21:1", "226:0"})
        kernel.openNode({.pid = 77, .program = "user", .number = number, .fd = fd++});
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre(
            "display-in-use: user (pid 77) has /dev/dri/card0 open, which is of 0000:02:00.0; end it first",
            "in-use: user (pid 77) has /dev/ttyS4 (tty), /dev/sg1 (scsi_generic), "
            "/dev/bus/usb/003/002 (usb) and 1 more open, which are of 0000:02:00.0; end it first"));
}

TEST(InUse, AnotherDevicesNodeOfTheSameNameIsNoMatter) {
    auto kernel = withNodes();
    kernel.openNode({.pid = 77, .program = "user", .number = "226:9", .shownAs = "/dev/dri/card0"});
    EXPECT_THAT(sentences(kernel), IsEmpty());
}

TEST(InUse, WhoLetsGoByItselfDoesNotCount) {
    auto kernel = withNodes();
    kernel.openNode({.pid = 77, .program = "udevadm", .number = "4:68"});
    kernel.openNode({.pid = 78, .program = "systemd-logind", .number = "13:69"});
    EXPECT_THAT(sentences(kernel), IsEmpty());
    kernel.openNode({.pid = 79, .program = "systemd-logind", .number = "13:69", .uid = 1000});
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("systemd-logind (pid 79) has /dev/input/event5")));
    kernel.dropPath("/proc/79");
    kernel.openNode({.pid = 78, .program = "systemd-logind", .number = "4:68", .fd = 8});
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("has /dev/ttyS4")))
        << "keyboards are all it watches";
}

TEST(InUse, AnNvmeSubsystemsNodeIsItsControllers) {
    auto kernel = machine();
    kernel.putDirectory("/sys/devices/" + place + "/nvme/nvme0");
    kernel.addNode({"virtual/nvme-subsystem/nvme-subsys0/ng0n1", "nvme-generic", "242:0", "ng0n1"});
    kernel.putLink("/sys/class/nvme-subsystem/nvme-subsys0/nvme0", "../../../" + place + "/nvme/nvme0");
    kernel.openNode({.pid = 77, .program = "user", .number = "242:0"});
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("in-use: user (pid 77) has /dev/ng0n1")));
    kernel.putLink("/sys/class/nvme-subsystem/nvme-subsys0/nvme0",
                   "../../../pci0000:00/0000:00:09.0/nvme/nvme0");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "another controller's";
}

TEST(InUse, AClockThatNobodyHasOpenNeedsNoLookAtTheHost) {
    auto kernel = machine();
    kernel.addNode({place + "/ptp/ptp0", "ptp", "248:0", "ptp0"});
    kernel.putLink("/sys/module/ptp/holders/e1000e", "../../e1000e");
    kernel.putFile("/sys/module/ptp/refcnt", "1\n");
    kernel.openNode({.pid = 77, .program = "chronyd", .number = "248:0"});
    HostSysfs host(kernel);
    host.errors["/proc"] = EACCES;
    EXPECT_THAT(sentences(host), IsEmpty()) << "nothing is asked of a kernel that counts nobody";
    kernel.putFile("/sys/module/ptp/refcnt", "2\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre(HasSubstr("in-use: chronyd (pid 77) has /dev/ptp0 (ptp) open")));
}

TEST(InUse, WhatCannotBeReadIsNotTakenForFree) {
    auto kernel = withNodes();
    kernel.openNode({.pid = 77, .program = "user", .number = "1:3"});
    for (const auto* path : {"/sys/dev/char", "/sys/dev/block", "/sys/dev/char/4:68/subsystem", "/proc/77/fd",
                             "/proc/driver/nvidia/gpus/0000:02:00.0/information"}) {
        if (std::string_view(path).contains("nvidia"))
            kernel.putFile(path, "");
        HostSysfs blind(kernel);
        blind.errors[path] = EIO;
        const auto found = inspect(blind, Topology::read(blind).value(), 3, Action::bind).blockers;
        EXPECT_FALSE(found.empty()) << path;
        for (const auto& blocker : found)
            EXPECT_FALSE(blocker.seen) << blocker.str();
    }
}

} // namespace
} // namespace vfiobind::in_use_test
