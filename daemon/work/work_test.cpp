// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/work.h"

#include "fake/machine.h"
#include "host_sysfs.h"
#include "transaction/journal.h"

namespace vfiobind::work_test {
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

Told carryOutGroup(Sysfs& kernel, const std::function<bool()>& mayGo) {
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

// case 28
TEST(Work, AnOverrideThatCannotBeReadIsNotTakenForUnset) {
    auto kernel = withDisk();
    HostSysfs blind(kernel);
    blind.errors[devices + nic + "/driver_override"] = EIO;
    const auto told = carryOutGroup(blind, [] { return true; });
    ASSERT_EQ(told.verdicts.size(), 1U);
    ASSERT_EQ(told.verdicts[0].blockers.size(), 1U);
    EXPECT_FALSE(told.verdicts[0].blockers[0].seen);
    EXPECT_EQ(told.verdicts[0].blockers[0].str(),
              "foreign-driver-override: whether 0000:02:00.0 has the driver_override of another program "
              "cannot be told: read /sys/bus/pci/devices/0000:02:00.0/driver_override: EIO (Input/output "
              "error)");
    EXPECT_THAT(kernel.writes(), IsEmpty());
    blind.errors[devices + nic + "/driver_override"] = ENODEV;
    EXPECT_THAT(carryOutGroup(blind, [] { return false; }).verdicts.at(0).blockers, IsEmpty())
        << "a device that has gone is in nobody's hands";
}

TEST(Work, WithoutTheWordToGoNothingIsWritten) {
    auto kernel = withDisk();
    const auto told = carryOutGroup(kernel, [] { return false; });
    ASSERT_EQ(told.ends.size(), 1U);
    EXPECT_THAT(kernel.writes(), IsEmpty());
}

/// Group 1 is on VFIO, and is released; the second function does not come back.
class FailingRelease : public testing::Test {
protected:
    void SetUp() override {
        toVfio(kernel_, gpu);
        toVfio(kernel_, audio);
        kernel_.failWhen([](const FakeWrite& write) { return write.path.ends_with("snd_hda_intel/bind"); },
                         Fault::error(EIO), 99);
    }
    Finished run(const Journal& left = {}) {
        WorkOrder order{.group = 1,
                        .wanted = {.action = Action::release, .by = "test"},
                        .drivers = readDrivers(kernel_).value(),
                        .journal = left};
        order.drivers.native = {{*Address::parse(gpu), "nouveau"}, {*Address::parse(audio), "snd_hda_intel"}};
        Finished end;
        work(
            kernel_, order, Topology::read(kernel_).value(), journals_,
            [&](const WorkMessage& message) {
                if (const auto* ended = std::get_if<StepEnded>(&message); ended != nullptr && onStep_)
                    onStep_();
                if (const auto* finished = std::get_if<Finished>(&message))
                    end = *finished;
            },
            [] { return true; });
        return end;
    }
    /// The first function brings a disk with it, and somebody mounts that.
    void mountBehindGpu() {
        const std::string place = "pci0000:00/0000:00:01.0/0000:01:00.0/virtio0/block/vda";
        kernel_.putFile("/sys/devices/" + place + "/dev", "254:0\n");
        kernel_.putLink("/sys/class/block/vda", "../../devices/" + place);
        kernel_.putFile("/proc/self/mountinfo", "30 1 254:0 / /mnt rw - ext4 /dev/vda rw\n");
    }
    FakeKernel kernel_ = machine();
    MemoryJournalStore journals_;
    std::function<void()> onStep_;
};

TEST_F(FailingRelease, IsUndone) {
    const auto end = run();
    EXPECT_EQ(end.result, "rolled-back") << end.error;
    EXPECT_EQ(kernel_.driverOf(gpu), "vfio-pci");
    EXPECT_THAT(journals_.journals, IsEmpty());
}

TEST_F(FailingRelease, IsNotUndoneUnderAFileSystem) {
    onStep_ = [this] {
        if (kernel_.driverOf(gpu) == "nouveau")
            mountBehindGpu();
    };
    const auto end = run();
    EXPECT_EQ(end.result, "failed");
    ASSERT_FALSE(end.differences.empty());
    EXPECT_THAT(end.differences,
                testing::Contains(HasSubstr("it stays there: mounted: 0000:01:00.0 holds /mnt")));
    EXPECT_EQ(kernel_.driverOf(gpu), "nouveau");
    EXPECT_THAT(journals_.journals, testing::SizeIs(1)) << "it is not resolved";
}

/// What is left half bound is told, and is not forgotten for a journal of our own.
TEST_F(FailingRelease, AJournalThatCannotBeResolvedStays) {
    Journal left{.group = 1, .action = Action::bind};
    const auto topology = Topology::read(kernel_).value();
    left.members.push_back({.device = *Address::parse(audio),
                            .ids = topology.find(*Address::parse(audio))->ids,
                            .driver = "snd_hda_intel",
                            .toDriver = "vfio-pci",
                            .toOverride = "none"});
    const auto end = run(left);
    EXPECT_EQ(end.result, "failed");
    EXPECT_THAT(end.differences,
                testing::Contains(HasSubstr("0000:01:00.1: driver is none, was snd_hda_intel")));
    EXPECT_EQ(kernel_.driverOf(gpu), "vfio-pci") << "the release has not begun";
}

} // namespace
} // namespace vfiobind::work_test
