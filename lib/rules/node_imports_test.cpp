// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/node_imports.h"

#include "config/config.h"
#include "fake/fake_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::node_imports_test {
namespace {

using testing::ElementsAre;
using testing::Pair;

/// A card of two functions in group 1, its bridge, a NIC in group 3.
Topology machine() {
    FakeKernel kernel;
    kernel.addRootPort("0000:00:01.0", 0);
    kernel.addRootPort("0000:00:02.0", 2);
    kernel.addDevice({.address = "0000:01:00.0", .ids = "10de:1284", .classCode = 0x030000, .group = 1});
    kernel.addDevice({.address = "0000:01:00.1", .ids = "10de:0e0f", .classCode = 0x040300, .group = 1});
    kernel.addDevice({.address = "0000:02:00.0", .ids = "8086:10d3", .classCode = 0x020000, .group = 3});
    return *Topology::read(kernel);
}

Policy policyOf(const std::string& text) {
    return *parsePolicy({{"vfio-bind.toml", text}});
}

std::string bind(const std::string& devices, const std::string& more = {}) {
    return "[[bind]]\nname = \"r\"\ndevices = [" + devices + "]\n" + more + "\n";
}

TEST(NodeImports, NameOwnerAndModeOfEachGroup) {
    // case 54: udev applies it whenever the node is made
    const auto policy =
        policyOf(bind("\"10de:1284\"", "node = { owner = \"u\", group = \"kvm\", mode = \"0660\" }"));
    const auto topology = machine();
    const auto texts = nodeImports(policy, topology, resolve(policy, topology));
    ASSERT_EQ(texts.groups.size(), 1U);
    EXPECT_EQ(texts.groups.at(1),
              "VFIO_BIND_NAME=\"r\"\nVFIO_BIND_NODE_OWNER=\"u\"\nVFIO_BIND_NODE_GROUP=\"kvm\"\n"
              "VFIO_BIND_NODE_MODE=\"0660\"\n");
}

TEST(NodeImports, TellOfGroupsThatAreBoundWhenAsked) {
    const auto policy = policyOf(bind("\"10de:1284\"", "when = \"asked\"\nnode = { group = \"kvm\" }"));
    const auto topology = machine();
    const auto texts = nodeImports(policy, topology, resolve(policy, topology));
    ASSERT_EQ(texts.groups.size(), 1U);
    EXPECT_EQ(texts.groups.at(1), "VFIO_BIND_NAME=\"r\"\nVFIO_BIND_NODE_GROUP=\"kvm\"\n");
}

TEST(NodeImports, TellTheGroupsOfOneRuleApart) {
    const auto policy = policyOf(bind("\"10de:1284\", \"8086:10d3\""));
    const auto topology = machine();
    const auto texts = nodeImports(policy, topology, resolve(policy, topology));
    EXPECT_EQ(texts.groups.at(1), "VFIO_BIND_NAME=\"r\"\n");
    EXPECT_EQ(texts.groups.at(3), "VFIO_BIND_NAME=\"r-0000:02:00.0\"\n");
}

TEST(NodeImports, TellOfTheCdevOfEachEndpointWithTheAccessOfItsGroup) {
    const auto policy = policyOf(bind("\"10de:1284\", \"8086:10d3\"", "node = { owner = \"u\" }"));
    const auto topology = machine();
    const auto texts = nodeImports(policy, topology, resolve(policy, topology));
    const auto text = [](const std::string& name) {
        return "VFIO_BIND_NAME=\"" + name + "\"\nVFIO_BIND_NODE_OWNER=\"u\"\n";
    };
    EXPECT_THAT(texts.devices, ElementsAre(Pair(Address{0, 1, 0, 0}, text("r")),
                                           Pair(Address{0, 1, 0, 1}, text("r-0000:01:00.1")),
                                           Pair(Address{0, 2, 0, 0}, text("r-0000:02:00.0"))));
}

} // namespace
} // namespace vfiobind::node_imports_test
