// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/node_imports.h"

#include "rules_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::node_imports_test {
namespace {

using namespace rulesmachine;
using testing::ElementsAre;
using testing::Pair;

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
