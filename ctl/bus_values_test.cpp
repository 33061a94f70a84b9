// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus_values.h"

#include "commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::bus_values_test {
namespace {

using testing::ElementsAre;

template <typename T>
std::pair<const bus::PropertyName, sdbus::Variant> property(const char* name, T value) {
    return {bus::PropertyName{name}, sdbus::Variant{value}};
}

TEST(BusValues, AGroupIsTakenOver) {
    GroupState group;
    takeOver({property("Number", std::uint32_t{22}), property("State", std::string("bound")),
              property("Viable", true),
              property("Devices", std::vector{sdbus::ObjectPath{"/org/vfiobind1/device/0000_01_00_0"}}),
              property("Blockers", std::vector<BlockerStruct>{{"mounted", "0000:02:00.0", "holds /"}}),
              property("Holders", std::vector<sdbus::Struct<std::uint32_t, std::string>>{{812U, "qemu"}}),
              property("Leases", std::vector<sdbus::Struct<std::uint32_t, std::uint64_t>>{{1000U, 77U}}),
              property("Job", sdbus::ObjectPath{"/"})},
             group);
    EXPECT_THAT(group.leases, ElementsAre(LeaseState{1000, 77}));
    EXPECT_EQ(group.number, 22U);
    EXPECT_EQ(group.state, "bound");
    EXPECT_TRUE(group.viable);
    EXPECT_THAT(group.devices, ElementsAre("/org/vfiobind1/device/0000_01_00_0"));
    EXPECT_THAT(group.blockers, ElementsAre(BlockerState{"mounted", "0000:02:00.0", "holds /"}));
    EXPECT_THAT(group.holders, ElementsAre(HolderState{812, "qemu"}));
    EXPECT_EQ(group.job, "/");
}

TEST(BusValues, PropertiesThatAreNotTheirsStayAsTheyWere) {
    GroupState group;
    group.rule = "guest-gpu";
    group.devices = {"/org/vfiobind1/device/0000_01_00_0"};
    takeOver({property("State", std::string("stuck"))}, group);
    EXPECT_EQ(group.state, "stuck");
    EXPECT_EQ(group.rule, "guest-gpu");
    EXPECT_EQ(group.devices.size(), 1U);
}

TEST(BusValues, PropertiesOfANewerDaemonAreLeftOut) {
    JobState job;
    takeOver({property("Id", std::uint32_t{3}), property("Colour", std::string("blue"))}, job);
    EXPECT_EQ(job.id, 3U);
}

TEST(BusValues, AWrongTypeIsAnError) {
    GroupState group;
    EXPECT_THROW(takeOver({property("Number", std::string("22"))}, group), sdbus::Error);
}

TEST(BusValues, ObjectsAreSortedByInterface) {
    Snapshot snapshot;
    takeOver("/org/vfiobind1/device/a",
             {{bus::InterfaceName{deviceInterface}, {property("Vendor", std::uint16_t{0x10de})}}}, snapshot);
    takeOver(
        "/org/vfiobind1/job/3",
        {{bus::InterfaceName{jobInterface},
          {property("Steps", std::vector<sdbus::Struct<std::string, std::string>>{{"unbind", "done"}})}}},
        snapshot);
    takeOver("/org/vfiobind1",
             {{bus::InterfaceName{managerInterface},
               {property("Rules",
                         std::vector<sdbus::Struct<std::string, std::string, std::vector<std::string>>>{
                             {"guest-gpu", "auto", {"10de:"}}})}}},
             snapshot);
    EXPECT_EQ(snapshot.devices.at("/org/vfiobind1/device/a").vendor, 0x10de);
    EXPECT_THAT(snapshot.jobs.at("/org/vfiobind1/job/3").steps, ElementsAre(JobStep{"unbind", "done"}));
    EXPECT_THAT(snapshot.manager.rules, ElementsAre(RuleState{"guest-gpu", "auto", {"10de:"}}));
    EXPECT_TRUE(snapshot.groups.empty());
}

TEST(BusValues, SerialNumbersAndAbsentFilesAreTakenOver) {
    DeviceState device;
    takeOver({property("Serial", std::string("00-11-22-ff-fe-33-44-55"))}, device);
    EXPECT_EQ(device.serial, "00-11-22-ff-fe-33-44-55");
    ManagerState manager;
    takeOver({property("AbsentFiles", std::vector<sdbus::Struct<std::string, std::string>>{{"a", "why"}})},
             manager);
    EXPECT_THAT(manager.absentFiles, ElementsAre(AbsentFile{"a", "why"}));
}

TEST(CallOptions, OnlyWhatWasGivenIsSent) {
    EXPECT_TRUE(callOptions(Options{}).empty());
    Options options;
    options.allow = {"console"};
    options.persist = true;
    options.driver = "vfio-pci";
    const CallOptions sent = callOptions(options);
    EXPECT_EQ(sent.size(), 3U);
    EXPECT_THAT(sent.at("allow").get<std::vector<std::string>>(), ElementsAre("console"));
    EXPECT_TRUE(sent.at("persist").get<bool>());
    EXPECT_EQ(sent.at("driver").get<std::string>(), "vfio-pci");
}

} // namespace
} // namespace vfiobind::ctl::bus_values_test
