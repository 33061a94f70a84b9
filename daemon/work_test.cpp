// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work.h"

#include "fake/machine.h"
#include "transaction/journal.h"

namespace vfiobind {
namespace {

using namespace fakemachine;
using testing::HasSubstr;
using testing::IsEmpty;

/// The device of group 3 with a disk on it, which nobody uses.
FakeKernel withDisk() {
    auto kernel = machine();
    const std::string place = "pci0000:00/0000:00:02.0/0000:02:00.0/virtio0/block/vda";
    kernel.putFile("/sys/devices/" + place + "/dev", "254:0\n");
    kernel.putLink("/sys/class/block/vda", "../../devices/" + place);
    kernel.putFile("/proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    return kernel;
}

struct Told {
    std::vector<Verdict> verdicts;
    std::vector<Finished> ends;
};

Told carryOutGroup(FakeKernel& kernel, const std::function<bool()>& mayGo) {
    WorkOrder order{.group = 3, .wanted = {.by = "test"}, .drivers = readDrivers(kernel).value()};
    MemoryJournalStore journals;
    Told told;
    work(
        kernel, order, Topology::read(kernel).value(), journals,
        [&](const WorkMessage& message) {
            if (const auto* verdict = std::get_if<Verdict>(&message))
                told.verdicts.push_back(*verdict);
            if (const auto* end = std::get_if<Finished>(&message))
                told.ends.push_back(*end);
        },
        mayGo);
    return told;
}

TEST(Work, WhatIsFreeIsBound) {
    auto kernel = withDisk();
    const auto told = carryOutGroup(kernel, [] { return true; });
    ASSERT_EQ(told.ends.size(), 1U);
    EXPECT_EQ(told.ends[0].result, "done") << told.ends[0].error;
    EXPECT_EQ(kernel.driverOf(nic), "vfio-pci");
}

// case 6: between the verdict and the word to go, which waits for the other groups of a call
TEST(Work, WhatIsTakenIntoUseMeanwhileIsRefusedBeforeTheFirstWrite) {
    auto kernel = withDisk();
    const auto told = carryOutGroup(kernel, [&] {
        kernel.putFile("/proc/self/mountinfo", "30 1 254:0 / /mnt rw - ext4 /dev/vda rw\n");
        return true;
    });
    ASSERT_EQ(told.verdicts.size(), 1U);
    EXPECT_THAT(told.verdicts[0].blockers, IsEmpty());
    ASSERT_EQ(told.ends.size(), 1U);
    EXPECT_EQ(told.ends[0].result, "failed");
    EXPECT_THAT(told.ends[0].error, HasSubstr("mounted: 0000:02:00.0 holds /mnt (vda)"));
    EXPECT_THAT(kernel.writes(), IsEmpty());
}

TEST(Work, WithoutTheWordToGoNothingIsWritten) {
    auto kernel = withDisk();
    const auto told = carryOutGroup(kernel, [] { return false; });
    ASSERT_EQ(told.ends.size(), 1U);
    EXPECT_THAT(kernel.writes(), IsEmpty());
}

} // namespace
} // namespace vfiobind
