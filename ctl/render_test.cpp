// SPDX-License-Identifier: LGPL-2.1-or-later
#include "render.h"

#include "test_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

namespace vfiobind::ctl::render_test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Status, ShowsTheGroupsOfInterestInOrder) {
    EXPECT_EQ(renderStatus(testSnapshot(), Style{}, false),
              "vfio-bind 1.2.3, IOMMU: intel, 2 rules in force\n"
              "\n"
              "GROUP  STATE      RULE\n"
              "   22  native     guest-gpu\n"
              "       01:00.0 [10de:1284] nouveau       Vendor GeForce\n"
              "       01:00.1 [10de:0e0f] snd_hda_intel Vendor Audio\n"
              "  101  blocked    disk\n"
              "       10000:e1:00.0 [144d:a808] nvme          Vendor Disk\n"
              "       mounted: 10000:e1:00.0 holds / (nvme0n1p2)\n"
              "\n"
              "Rule spare matches nothing today (8086:10d3); it waits for a device to be\n"
              "  plugged in.\n"
              "1 other group is native; --all shows it.\n");
}

TEST(Status, AllShowsNativeGroupsToo) {
    const std::string text = renderStatus(testSnapshot(), Style{}, true);
    EXPECT_THAT(text, HasSubstr("    5  native\n       03:00.0 [8086:1533] igb "));
    EXPECT_THAT(text, Not(HasSubstr("--all")));
}

TEST(Status, RuleThatMatchesNothingIsSaid) { // case 62
    EXPECT_THAT(renderStatus(testSnapshot(), Style{}, false), HasSubstr("Rule spare matches nothing today"));
}

TEST(Status, RuleWithAGroupOrAMatchIsNotSaidToMatchNothing) {
    Snapshot snapshot = testSnapshot();
    snapshot.idleRules[0].matches = {
        addDevice(snapshot, "0000:04:00.0", 6, 0x8086, 0x10d3, "e1000e", "82574L").objectPath};
    const std::string text = renderStatus(snapshot, Style{}, false);
    EXPECT_THAT(text, Not(HasSubstr("matches nothing")));
    EXPECT_THAT(text, HasSubstr("Rule spare matches 0000:04:00.0, but takes no IOMMU group today."));
}

TEST(Status, ConfigErrorStandsBeforeTheTable) { // cases 47 and 63
    Snapshot snapshot = testSnapshot();
    snapshot.manager.configError = "/etc/vfio-bind.toml:3:7: unknown key devcies";
    std::string text = renderStatus(snapshot, Style{}, false);
    EXPECT_LT(text.find("configuration error: /etc/vfio-bind.toml:3:7:"), text.find("GROUP"));
    EXPECT_THAT(text, HasSubstr("The rules that were read before it are still in force."));
    snapshot.manager.rules.clear();
    text = renderStatus(snapshot, Style{}, false);
    EXPECT_THAT(text, HasSubstr("No rule is in force until it is mended and reloaded."));
}

TEST(Status, FilesForOtherMachinesAreSaidToBeAbsent) {
    Snapshot snapshot = testSnapshot();
    snapshot.manager.absentFiles = {
        {"/etc/vfio-bind.d/a.toml", "it is for host \"gpu*\", and this is \"node7\""}};
    EXPECT_THAT(renderStatus(snapshot, Style{.columns = 0}, false),
                HasSubstr("\n/etc/vfio-bind.d/a.toml counts as absent: it is for host \"gpu*\", and this is "
                          "\"node7\".\n"));
    snapshot.manager.absentFiles.push_back({"/etc/vfio-bind.d/b.toml", "it is for board \"X570\""});
    std::string text = renderStatus(snapshot, Style{.columns = 0}, false);
    EXPECT_THAT(text, HasSubstr("\n2 files of the configuration count as absent"));
    EXPECT_THAT(text, Not(HasSubstr("b.toml")));
    text = renderStatus(snapshot, Style{.columns = 0}, true);
    EXPECT_THAT(text, HasSubstr("\n/etc/vfio-bind.d/b.toml counts as absent: it is for board \"X570\".\n"));
}

TEST(Status, NoIommuIsExplained) { // case 22
    Snapshot snapshot;
    snapshot.manager.iommu = "none";
    const std::string text = renderStatus(snapshot, Style{}, false);
    EXPECT_THAT(text, HasSubstr("no IOMMU"));
    EXPECT_THAT(text, HasSubstr("intel_iommu=on"));
}

TEST(Status, EachErrorOfTheConfigurationHasItsLine) {
    Snapshot snapshot;
    snapshot.manager.configError = "/etc/vfio-bind.toml:3:7: one\n/etc/vfio-bind.toml:4:1: other";
    const std::string text = renderStatus(snapshot, Style{.columns = 0}, false);
    EXPECT_THAT(
        text,
        HasSubstr("configuration error: /etc/vfio-bind.toml:3:7: one\n/etc/vfio-bind.toml:4:1: other\n"));
    EXPECT_EQ(text.find('?'), std::string::npos);
}

TEST(Status, NoLineIsWiderThanTheTerminal) {
    Snapshot snapshot = testSnapshot();
    DeviceState& device = snapshot.devices["/org/vfiobind1/device/0000_01_00_0"];
    device.deviceName = std::string(200, 'x');
    snapshot.devices["/org/vfiobind1/device/0000_01_00_1"].deviceName =
        "日本語日本語日本語日本語日本語日本語日本語";
    snapshot.groups["/org/vfiobind1/group/22"].lastError =
        "bind 0000:01:00.1 vfio-pci: write /sys/bus/pci/drivers/vfio-pci/bind: EBUSY (Device or resource "
        "busy)";
    snapshot.manager.configError =
        "/etc/vfio-bind.toml:3:7: unknown key devcies in a [[bind]] table; did you mean devices?";
    for (const bool unicode : {true, false}) {
        std::istringstream lines(renderStatus(snapshot, Style{80, false, unicode}, true));
        for (std::string line; std::getline(lines, line);)
            EXPECT_LE(displayWidth(line), 80U) << line;
    }
}

TEST(Status, ColoursTheStates) {
    Snapshot snapshot = testSnapshot();
    GroupState& group = snapshot.groups["/org/vfiobind1/group/22"];
    const Style style{80, true, true};
    group.state = "bound";
    EXPECT_THAT(renderStatus(snapshot, style, false),
                HasSubstr("   22  \033[32mbound\033[0m      guest-gpu\n"));
    group.state = "stuck";
    EXPECT_THAT(renderStatus(snapshot, style, false), HasSubstr("\033[31mstuck\033[0m"));
    for (const char* state : {"partial", "drifted", "blocked"})
        EXPECT_EQ(stateColour(state), Colour::yellow) << state;
    EXPECT_EQ(stateColour("native"), Colour::none);
}

TEST(Status, TellsWhoHoldsAndThatABoundGroupIsNotViable) {
    Snapshot snapshot = testSnapshot();
    GroupState& group = snapshot.groups["/org/vfiobind1/group/22"];
    group.state = "bound";
    group.viable = false;
    group.holders = {{812, "qemu\033[2Jx86"}};
    group.leases = {{0, 1'000'000}};
    const std::string text = renderStatus(snapshot, Style{}, false);
    EXPECT_THAT(text, HasSubstr("leased by root since 19"));
    EXPECT_THAT(text, HasSubstr("in use by qemu\\x1b[2Jx86 (pid 812)"));
    EXPECT_THAT(text, HasSubstr("not viable:"));
}

TEST(Status, ShowsTheStepOfARunningJob) {
    Snapshot snapshot = testSnapshot();
    GroupState& group = snapshot.groups["/org/vfiobind1/group/22"];
    group.job = "/org/vfiobind1/job/3";
    snapshot.jobs[group.job] = {
        group.job, 3,
        "bind",    group.objectPath,
        "running", {{"override 0000:01:00.0 vfio-pci", "done"}, {"unbind 0000:01:00.0 nouveau", ""}},
        1};
    EXPECT_THAT(renderStatus(snapshot, Style{}, false),
                HasSubstr("job 3: bind, step 2: unbind 0000:01:00.0 nouveau\n"));
}

TEST(Status, SaysSoWhenNothingIsOfInterest) {
    Snapshot snapshot;
    snapshot.manager.iommu = "amd";
    addDevice(snapshot, "0000:03:00.0", 5, 0x8086, 0x1533, "igb", "I210");
    const std::string text = renderStatus(snapshot, Style{}, false);
    EXPECT_THAT(text, HasSubstr("No group is bound and no rule asks for one.\n1 other group is native"));
    EXPECT_THAT(text, Not(HasSubstr("GROUP")));
}

TEST(Show, GivesAllOfAGroup) {
    Snapshot snapshot = testSnapshot();
    GroupState& group = snapshot.groups["/org/vfiobind1/group/22"];
    group.node = "/dev/vfio/22";
    DeviceState& device = snapshot.devices["/org/vfiobind1/device/0000_01_00_0"];
    device.path = "0000:00/01.0/00.0";
    device.resetMethods = {"flr", "bus"};
    device.bootVga = true;
    const std::string text = renderShow(snapshot, {{&group}, {}}, Style{});
    EXPECT_THAT(text, testing::StartsWith("group/22 native\n  rule           guest-gpu\n"));
    EXPECT_THAT(text, HasSubstr("  node           /dev/vfio/22\n"));
    EXPECT_THAT(text, HasSubstr("  0000:01:00.0 Vendor GeForce\n    id             10de:1284, subsystem"));
    EXPECT_THAT(text, HasSubstr("    bridge path    0000:00/01.0/00.0\n    resets by      flr bus\n"));
    EXPECT_THAT(text, HasSubstr("    boot display   yes\n"));
    EXPECT_THAT(text, HasSubstr("    resets by      nothing\n")); // the audio function
}

TEST(Check, SaysWhatWouldBeDoneOrWhatForbidsIt) {
    EXPECT_EQ(renderCheck("guest-gpu", {true, {}, {"override 0000:01:00.0 vfio-pci"}}, Style{}),
              "guest-gpu can be bound:\n  override 0000:01:00.0 vfio-pci\n");
    EXPECT_EQ(renderCheck("guest-gpu", {true, {}, {}}, Style{}),
              "guest-gpu is as wanted, nothing would be done.\n");
    EXPECT_EQ(
        renderCheck("disk", {false, {{"mounted", "0000:02:00.0", "0000:02:00.0 holds /"}}, {}}, Style{}),
        "disk cannot be bound:\n  mounted: 0000:02:00.0 holds /\n");
}

} // namespace
} // namespace vfiobind::ctl::render_test
