// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/publishers.h"

#include "golden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vfiobind::publishers_test {
namespace {

PublishState machine() {
    PublishState state;
    state.groups = {
        {.number = 5,
         .rule = "guest-nic",
         .name = "guest-nic",
         .state = "blocked",
         .blockers = {"default-route", "network-up"}},
        {.number = 22,
         .rule = "guest-gpu",
         .name = "guest-gpu",
         .state = "bound",
         .node = "/dev/vfio/22",
         .leases = 2},
        {.number = 23,
         .rule = "guest-gpu",
         .name = "guest-gpu-0000:06:00.0",
         .state = "bound",
         .node = "/dev/vfio/23"},
        {.number = 24, .name = "group-24", .state = "bound", .node = "/dev/vfio/24"},
        {.number = 30,
         .rule = "lent",
         .name = "lent",
         .state = "bound",
         .node = "/dev/vfio/30",
         .leases = 1,
         .leasedOnly = true},
        {.number = 31, .rule = "shy", .name = "shy", .state = "binding", .node = "/dev/vfio/31"},
        {.number = 32, .rule = "nodeless", .name = "nodeless", .state = "bound"},
    };
    state.jobs.ended = {{{"bind", "done"}, 7}, {{"release", "failed"}, 1}};
    state.jobs.seconds = 2.5;
    return state;
}

TEST(Publishers, WhatTheyWriteIsWhatWasReviewed) {
    std::string all;
    for (const auto& publisher : publishers)
        all += "--- " + std::string(publisher.path) + '\n' + publisher.make(machine());
    expectGolden("publish/machine.txt", all);
}

TEST(Publishers, WhereNothingIsBoundThereIsNoSpecAndNoLabel) {
    PublishState state = machine();
    for (auto& group : state.groups)
        group.state = "native";
    EXPECT_EQ(cdiText(state), "");
    EXPECT_EQ(nfdText(state), "");
    expectGolden("publish/nothing.prom", metricsText({}));
}

TEST(PublishCdi, HasTheKindThatTheConfigurationSays) {
    PublishState state = machine();
    state.cdiKind = "acme.example/card";
    EXPECT_EQ(nlohmann::json::parse(cdiText(state)).at("kind"), "acme.example/card");
}

TEST(PublishCdi, GroupsWithoutTheNodesThatAreWantedAreNamed) {
    PublishState state = machine();
    EXPECT_EQ(cdiLack(state), "");
    state.cdiNodes = CdiNodes::cdev; // a kernel without them
    EXPECT_THAT(cdiLack(state),
                testing::StartsWith("the CDI spec lacks guest-gpu, guest-gpu-0000:06:00.0, group-24: "
                                    "cdi-nodes is \"cdev\""));
    state.groups[1].cdevs = state.groups[2].cdevs = state.groups[3].cdevs = {"/dev/vfio/devices/vfio0"};
    EXPECT_EQ(cdiLack(state), "");
    state.cdiNodes = CdiNodes::group;
    state.groups[1].node.clear(); // a kernel without CONFIG_VFIO_GROUP
    EXPECT_THAT(cdiLack(state), testing::StartsWith("the CDI spec lacks guest-gpu: cdi-nodes is \"group\""));
}

TEST(PublishCdi, HasTheCdevsWhereTheConfigurationSaysSo) {
    PublishState state = machine();
    state.cdiNodes = CdiNodes::cdev;
    EXPECT_EQ(cdiText(state), "") << "a group without cdevs would be given by the node that is not wanted";
    state.groups[1].cdevs = {"/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio1"};
    state.groups[6].cdevs = {"/dev/vfio/devices/vfio7"}; // a kernel without CONFIG_VFIO_GROUP
    const auto devices = nlohmann::json::parse(cdiText(state)).at("devices");
    ASSERT_EQ(devices.size(), 2U);
    EXPECT_EQ(devices[0].at("name"), "guest-gpu");
    EXPECT_EQ(devices[0].at("containerEdits").at("deviceNodes").size(), 2U);
    EXPECT_EQ(devices[1].at("name"), "nodeless");
}

TEST(PublishNfd, LabelsAreWhatKubernetesTakes) {
    PublishState state;
    state.groups = {{.name = std::string(51, 'a') + "--:b", .state = "bound", .node = "/dev/vfio/1"}};
    EXPECT_EQ(nfdText(state), "vfio-bind." + std::string(51, 'a') + "=bound\n");
}

TEST(PublishMetrics, AConfigurationWithAnErrorIsOne) {
    PublishState state;
    state.configError = true;
    EXPECT_TRUE(metricsText(state).contains("\nvfio_bind_config_error 1\n"));
}

} // namespace
} // namespace vfiobind::publishers_test
