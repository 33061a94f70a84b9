// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/mediated.h"

#include "fake/machine.h"
#include "guard/guard.h"
#include "host_sysfs.h"

namespace vfiobind::mediated_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string uuid = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
const std::string folder = "/sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0/";

FakeKernel withMdev() {
    auto kernel = machine();
    kernel.putDirectory(folder + "mdev_supported_types/nvidia-35");
    kernel.putLink(folder + uuid + "/iommu_group", "../../../../../kernel/iommu_groups/40");
    kernel.putLink("/sys/bus/mdev/devices/" + uuid,
                   "../../../devices/pci0000:00/0000:00:02.0/0000:02:00.0/" + uuid);
    kernel.putFile("/sys/class/vfio/40/dev", "243:40\n");
    return kernel;
}

std::vector<std::string> sentences(const Sysfs& sysfs) {
    std::vector<std::string> list;
    for (const auto& blocker : inspect(sysfs, Topology::read(sysfs).value(), 3, Action::bind).blockers)
        list.push_back(blocker.str());
    return list;
}

TEST(Mediated, AFunctionThatCouldHaveMdevsAndHasNoneIsFree) {
    auto kernel = withMdev();
    kernel.dropPath("/sys/bus/mdev/devices/" + uuid);
    EXPECT_THAT(sentences(kernel), IsEmpty());
}

TEST(Mediated, AnMdevBlocksItsParentAndWhoUsesItIsNamed) {
    auto kernel = withMdev();
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mediated: 0000:02:00.0 has the mediated device " + uuid +
                            "; remove it first: echo 1 > /sys/bus/mdev/devices/" + uuid + "/remove"));
    kernel.openNode({.pid = 77, .program = "qemu-system-x86", .number = "243:40", .uid = 64055});
    EXPECT_THAT(sentences(kernel),
                ElementsAre(HasSubstr(uuid + ", which is in use by qemu-system-x86 (pid 77); end its VM "
                                             "and remove it first")));
    auto cdev = withMdev();
    cdev.putFile(folder + uuid + "/vfio-dev/vfio5/dev", "511:5\n");
    cdev.openNode({.pid = 78, .program = "qemu", .number = "511:5"});
    EXPECT_THAT(sentences(cdev), ElementsAre(HasSubstr("in use by qemu (pid 78)")));
    EXPECT_THAT(inspect(cdev, Topology::read(cdev).value(), 1, Action::bind).blockers,
                testing::Not(testing::Contains(testing::Field(&Blocker::code, "mediated"))))
        << "another function's";
}

TEST(Mediated, AVgpuOfNvidiasDriverIsOne) {
    auto kernel = machine();
    kernel.putFile(folder + "nvidia/current_vgpu_type", "0\n");
    EXPECT_THAT(sentences(kernel), IsEmpty());
    kernel.putFile(folder + "nvidia/current_vgpu_type", "558\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre(HasSubstr("mediated: 0000:02:00.0 is a vGPU of type 558; end its VM")));
}

TEST(Mediated, WhatCannotBeReadIsNotTakenForNone) {
    for (const auto& path :
         {std::string("/sys/bus/mdev/devices"), "/sys/bus/mdev/devices/" + uuid + "/iommu_group",
          std::string("/sys/class/vfio/40/dev")}) {
        auto kernel = withMdev();
        HostSysfs blind(kernel);
        blind.errors[path] = EIO;
        EXPECT_THAT(sentences(blind), testing::Contains(HasSubstr("mediated: "))) << path;
    }
}

/// NVIDIA's vGPU on a virtual function: the driver is its own, and VFIO has the function all the same.
TEST(Holders, AreFoundWhateverTheDriverIsCalled) {
    auto kernel = machine();
    kernel.putFile(folder + "vfio-dev/vfio0/dev", "511:0\n");
    EXPECT_EQ(kernel.driverOf(nic), "e1000e");
    kernel.openNode({.pid = 78, .program = "qemu", .number = "511:0"});
    EXPECT_THAT(sentences(kernel),
                ElementsAre("held-by-vm: group 3 is in use by qemu (pid 78); end it first"));
    auto group = machine();
    group.putFile("/sys/class/vfio/3/dev", "243:3\n");
    group.openNode({.pid = 78, .program = "qemu", .number = "243:3", .shownAs = "/dev/elsewhere"});
    EXPECT_THAT(sentences(group), ElementsAre(HasSubstr("held-by-vm: ")));
    HostSysfs blind(group);
    blind.errors["/sys/class/vfio/3/dev"] = EIO;
    EXPECT_THAT(sentences(blind),
                ElementsAre(HasSubstr("held-by-vm: whether group 3 is in use cannot be told")));
}

} // namespace
} // namespace vfiobind::mediated_test
