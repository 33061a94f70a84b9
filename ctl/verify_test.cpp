// SPDX-License-Identifier: LGPL-2.1-or-later
#include "verify.h"

#include "doctor/groups.h"
#include "fake/machine.h"
#include "golden.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl::verify_test {
namespace {

namespace fs = std::filesystem;
using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const DeviceNames noNames{.kind = [](const Ids&) { return std::string(); },
                          .name = [](const Ids&) { return std::string(); }};

/// What `groups --json` prints on the machine, read again.
MachineDescription described(const FakeKernel& kernel, const HostFacts& facts = {}) {
    auto listing = listGroups(kernel, noNames).value();
    listing.host = facts;
    auto machine = readMachine(groupsJson(listing));
    if (!machine)
        throw std::runtime_error(machine.error());
    return std::move(*machine);
}

std::string rule(const std::string& name, const std::string& devices, const std::string& more = {}) {
    return "[[bind]]\nname = \"" + name + "\"\ndevices = [" + devices + "]\n" + more + "\n";
}

ConfigTexts texts(std::vector<ConfigText> list) {
    return {.texts = std::move(list), .errors = {}, .masked = {}, .facts = {}};
}

TEST(MachineDescription, ComesBackAsItWas) {
    auto kernel = machine();
    kernel.putFile(devices + nic + "/serial_number", "00-11-22-ff-fe-33-44-55\n");
    kernel.addDriver({.name = "igb", .module = "igb", .ids = {"8086:10c9"}, .sriov = true});
    kernel.addDevice({.address = "0000:02:01.0",
                      .ids = "8086:10c9",
                      .classCode = 0x020000,
                      .group = 91,
                      .driver = "igb",
                      .totalVfs = 7,
                      .vfIds = "8086:10ca"});
    ASSERT_TRUE(kernel.writeAsOther(devices + "0000:02:01.0/sriov_numvfs", "2"));
    const HostFacts facts{.host = "node7", .board = "X570", .virtualization = "none"};
    const auto back = described(kernel, facts);
    EXPECT_EQ(back.topology.devices(), Topology::read(kernel).value().devices());
    EXPECT_EQ(back.topology.groups(), Topology::read(kernel).value().groups());
    EXPECT_EQ(back.facts, facts);
}

TEST(MachineDescription, SaysWhatIsWrongWithIt) {
    const auto device = [](const std::string& keys) {
        return R"({"version":1,"groupless":[],"groups":[{"number":1,"devices":[{)" + keys + "}]}]}";
    };
    const std::vector<std::pair<std::string, std::string>> table{
        {"", "this describes no machine: "},
        {"[]", "this describes no machine: "},
        {"{}", "'version' not found"},
        {R"({"version":2})", "the description has version 2, and this program knows version 1"},
        {R"({"version":1})", "'groups' not found"},
        {device(R"("address":"x","id":"10de:1284","class":"030000")"), "\"x\" is no PCI address"},
        {device(R"("address":"01:00.0","id":"10de:","class":"030000")"), "write vendor and device"},
        {device(R"("address":"01:00.0","id":"10de:1284","class":"0300")"), "write six hexadecimal digits"},
        {device(R"("address":"01:00.0","id":"10de:1284","class":"030000","serial":"7")"),
         "is no serial number"},
    };
    for (const auto& [text, says] : table)
        EXPECT_THAT(readMachine(text).error(), HasSubstr(says)) << text;
    // What a later version adds is passed over.
    EXPECT_TRUE(readMachine(device(R"("address":"01:00.0","id":"10de:1284","class":"030000","new":{})")));
}

TEST(Verify, SaysWhatIsBoundWhereAndWhatIsNot) {
    const auto verdict =
        verify(texts({{"a.toml", rule("card", "\"10de:1284\"")},
                      {"b.toml", rule("nic", "\"8086:10d3\"", "when = \"asked\"")},
                      {"c.toml", "[match]\nhost = \"gpu*\"\n" + rule("other", "\"10de:ffff\"")},
                      {"d.toml", rule("none", "\"1234:\"")}}),
               {{"node7.json", described(machine(), {.host = "node7"})}});
    EXPECT_TRUE(verdict.good());
    EXPECT_EQ(renderVerdict(verdict), R"(node7.json:
  group 1 is bound always (rule card, driver auto):
    0000:01:00.0 [10de:1284] nouveau
    0000:01:00.1 [10de:0e0f] snd_hda_intel
  group 3 is bound when asked (rule nic, driver auto):
    0000:02:00.0 [8086:10d3] e1000e
  rule none matches no device
  c.toml counts as absent: it is for host "gpu*", and this is "node7"
)");
    const auto json = nlohmann::json::parse(verdictJson(verdict));
    EXPECT_EQ(json["good"], true);
    EXPECT_EQ(json["machines"][0]["groups"][1]["when"], "asked");
    EXPECT_EQ(json["machines"][0]["groups"][0]["devices"][1], audio);
    EXPECT_EQ(json["machines"][0]["absent"][0]["file"], "c.toml");
}

TEST(Verify, NamesTheErrorsOfFilesForOtherMachinesToo) {
    const auto verdict =
        verify(texts({{"a.toml", "[match]\nhost = \"x\"\n" + rule("card", "\"10de:12\"")}}), {});
    EXPECT_FALSE(verdict.good());
    ASSERT_THAT(verdict.errors, SizeIs(1));
    EXPECT_THAT(verdict.errors[0], HasSubstr("a.toml:5:12: \"10de:12\" is no id pattern"));
    EXPECT_THAT(verdict.machines[0].errors, IsEmpty()) << "it is said once";
}

TEST(Verify, WhatContradictsItselfOnOneMachineOnlyIsAnErrorThere) {
    const auto both = texts({{"a.toml", "[match]\nhost = \"node*\"\n" + rule("one", "\"10de:1284\"")},
                             {"b.toml", "[match]\nhost = \"*7\"\n" + rule("two", "\"10de:1284\"")}});
    const auto verdict = verify(both, {{"7", described(machine(), {.host = "node7"})},
                                       {"8", described(machine(), {.host = "node8"})}});
    EXPECT_THAT(verdict.errors, IsEmpty());
    ASSERT_THAT(verdict.machines[0].errors, SizeIs(1));
    EXPECT_THAT(verdict.machines[0].errors[0], HasSubstr("10de:1284 is claimed by rule \"two\""));
    EXPECT_THAT(verdict.machines[1].errors, IsEmpty());
}

TEST(Verify, AnotherCardAndAnUnexpectedMemberAreErrors) {
    const auto verdict =
        verify(texts({{"a.toml", rule("card", "{ address = \"01:00.0\", id = \"10de:1285\" }") +
                                     rule("nic", "\"8086:10d3\"", "count = 2")}}),
               {{"m", described(machine())}});
    ASSERT_THAT(verdict.machines[0].errors, SizeIs(2));
    EXPECT_THAT(verdict.machines[0].errors[0], HasSubstr("group 1 is blocked (rule card): id-mismatch: "));
    EXPECT_THAT(verdict.machines[0].errors[1], HasSubstr("group 3 is blocked (rule nic): ambiguous: "));
    EXPECT_THAT(renderVerdict(verdict), Not(HasSubstr("is bound")));
}

TEST(Verify, WithoutAMachineItCountsTheRules) {
    EXPECT_EQ(renderVerdict(verify(texts({{"a.toml", rule("card", "\"10de:1284\"")}}), {})),
              "1 rules in 1 files, no error\n");
}

/// Rules for all kinds of devices, on the real machines of tests/topologies.
TEST(Verify, RealMachinesAreAsTheyWereReviewed) {
    const auto policy = texts({{"policy.toml", rule("display", "\"::03\"", "when = \"asked\"") +
                                                   rule("network", "\"::02\"", "driver = \"vfio-pci\"") +
                                                   rule("disk", "\"::0108\"", "members = []")}});
    std::vector<std::pair<std::string, MachineDescription>> machines;
    for (const auto& entry : fs::directory_iterator(VFIO_BIND_SOURCE_DIR "/tests/topologies")) {
        if (entry.path().extension() != ".json")
            continue;
        FakeKernel kernel;
        kernel.loadTopologyFile(entry.path());
        machines.emplace_back(entry.path().stem(), described(kernel));
    }
    std::ranges::sort(machines, {}, &std::pair<std::string, MachineDescription>::first);
    EXPECT_GE(machines.size(), 13U);
    expectGolden("verify/machines.txt", renderVerdict(verify(policy, machines)));
}

} // namespace
} // namespace vfiobind::ctl::verify_test
