// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/libvirt_rules.h"

#include "config/config.h"
#include "fake/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::libvirt_rules_test {
namespace {

using namespace fakemachine;

TEST(LibvirtRules, AreThoseThatAreAskedFor) {
    const FakeKernel kernel = machine();
    const auto topology = Topology::read(kernel).value();
    const Policy policy{
        .rules = {{.name = "card", .devices = {Selector::parse(gpu).value()}, .when = When::asked},
                  {.name = "nic", .devices = {Selector::parse(nic).value()}}}};
    const auto resolution = resolve(policy, topology);
    const auto of = [&](const std::vector<std::string>& names) {
        std::vector<Address> devices;
        for (const auto& name : names)
            devices.push_back(Address::parse(name).value());
        return askedRules(resolution, topology, devices);
    };
    EXPECT_THAT(of({gpu, audio}), testing::ElementsAre("card"));
    EXPECT_THAT(of({nic}), testing::IsEmpty()) << "a rule that holds always is nobody's to ask for";
    EXPECT_THAT(of({"0000:7f:00.0"}), testing::IsEmpty());
}

} // namespace
} // namespace vfiobind::ctl::libvirt_rules_test
