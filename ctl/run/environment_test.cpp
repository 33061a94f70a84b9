// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/environment.h"

#include "sysfs/real_sysfs.h"
#include "test_snapshot.h"

#include <gtest/gtest.h>

namespace vfiobind::ctl::environment_test {
namespace {

/// The card with its audio, and the NIC, are bound.
Snapshot bound() {
    Snapshot snapshot = testSnapshot();
    for (auto& [path, device] : snapshot.devices)
        if (device.vendor != 0x144d)
            device.driver = "vfio-pci";
    for (auto& [path, group] : snapshot.groups) {
        if (group.number == 101)
            continue;
        group.state = "bound";
        group.node = "/dev/vfio/" + std::to_string(group.number);
    }
    return snapshot;
}

TEST(LeaseEnvironment, NamesAllThatIsHad) {
    const auto snapshot = bound();
    auto had = resolvedOf(snapshot, "guest-gpu");
    had.groups.push_back("/org/vfiobind1/group/5");
    had.groups.push_back("/org/vfiobind1/group/22"); // named twice
    const auto got = leaseEnvironment(snapshot, touchedBy(snapshot, had), RealSysfs());
    ASSERT_TRUE(got) << got.error().sentence;
    EXPECT_EQ(got->at("VFIO_BIND_GROUPS"), "5 22");
    EXPECT_EQ(got->at("VFIO_BIND_NODES"), "/dev/vfio/5 /dev/vfio/22");
    EXPECT_EQ(got->at("VFIO_BIND_DEVICES"), "0000:03:00.0 0000:01:00.0 0000:01:00.1");
    EXPECT_EQ(got->at("VFIO_BIND_QEMU"),
              "-device pcie-root-port,id=vfio5-1,bus=pcie.0,chassis=5,slot=1 "
              "-device vfio-pci,host=0000:03:00.0,bus=vfio5-1,addr=00.0 "
              "-device pcie-root-port,id=vfio22-1,bus=pcie.0,chassis=22,slot=1 "
              "-device vfio-pci,host=0000:01:00.0,bus=vfio22-1,addr=00.0,multifunction=on "
              "-device vfio-pci,host=0000:01:00.1,bus=vfio22-1,addr=00.1");
}

TEST(LeaseEnvironment, WithoutAnIommuThereIsNothingForQemu) {
    auto snapshot = bound();
    snapshot.groups["/org/vfiobind1/group/5"].node = "/dev/vfio/noiommu-0";
    const auto got = leaseEnvironment(snapshot, touchedBy(snapshot, "03:00.0"), RealSysfs());
    ASSERT_TRUE(got) << got.error().sentence;
    EXPECT_EQ(got->at("VFIO_BIND_NODES"), "/dev/vfio/noiommu-0");
    EXPECT_EQ(got->at("VFIO_BIND_QEMU"), "");
}

TEST(LeaseEnvironment, WhatIsNotBoundIsSaid) {
    const auto snapshot = testSnapshot();
    const auto got = leaseEnvironment(snapshot, touchedBy(snapshot, "03:00.0"), RealSysfs());
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, ExitCode::notAcquired);
    EXPECT_EQ(got.error().sentence.substr(0, 25), "group 5 is not bound (000");
}

} // namespace
} // namespace vfiobind::ctl::environment_test
