// SPDX-License-Identifier: LGPL-2.1-or-later
// The configuration as the daemon meets it: at the start, and on Reload.
#include "fixture.h"

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace vfiobind::bustest::config_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

const std::string lanRule = "[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n";

class ConfigTest : public BusTest {
protected:
    Refusal reloadRefusal() {
        return refusalOf([&] { client().manager().Reload(); });
    }
    std::vector<std::string> ruleNames() {
        std::vector<std::string> names;
        for (const auto& rule : client().root("Rules"))
            names.push_back(rule[0].get<std::string>());
        return names;
    }
};

TEST_F(ConfigTest, ARuleIsCarriedOutAtTheStart) {
    configure(lanRule);
    start();
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(client().group(3, "Rule"), "lan");
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    EXPECT_EQ(driverOf(twin), "e1000e") << "nothing else changed driver";
    EXPECT_EQ(driverOf(gpu), "nouveau");
}

TEST_F(ConfigTest, AModuleThatIsLoadedWithOtherOptionsIsAWarning) {
    start();
    EXPECT_EQ(client().root("Warnings"), json::array());
    configure("[vfio-pci]\ndisable-vga = true\n");
    client().manager().Reload();
    settle();
    EXPECT_EQ(client().audit(), "");
    ASSERT_EQ(client().root("Warnings").size(), 1U);
    EXPECT_THAT(client().root("Warnings")[0].get<std::string>(),
                HasSubstr("says disable-vga = true, but module vfio-pci is loaded with disable_vga=N"));
    EXPECT_THAT(ctl({"status"}).out, HasSubstr("warning: [vfio-pci] says disable-vga = true"));
}

TEST_F(ConfigTest, TheWatchIsStartedWithTheFirstRule) {
    const auto timesStarted = [this] {
        const auto text = log();
        unsigned times = 0;
        for (auto at = text.find("the watch is started"); at != std::string::npos;
             at = text.find("the watch is started", at + 1))
            ++times;
        return times;
    };
    const auto reload = [this](const std::string& text) {
        configure(text);
        client().manager().Reload();
        settle();
    };
    start();
    reload("");
    EXPECT_EQ(timesStarted(), 0U);
    reload(lanRule);
    EXPECT_EQ(timesStarted(), 1U);
    reload(lanRule + "[[bind]]\nname = \"card\"\ndevices = [\"" + gpu + "\"]\n");
    EXPECT_EQ(timesStarted(), 1U);
    reload("");
    reload(lanRule);
    EXPECT_EQ(timesStarted(), 2U) << "somebody may have stopped it meanwhile";
}

/// Case 63, the missing file.
TEST_F(ConfigTest, AMissingFileIsAConfigurationWithoutRules) {
    start();
    EXPECT_EQ(client().root("ConfigError"), "");
    EXPECT_THAT(ruleNames(), IsEmpty());
    EXPECT_THAT(writes(), IsEmpty());
}

/// Case 63, the broken file: it runs, says so, and binds nothing.
TEST_F(ConfigTest, ABrokenFileAtTheStartBindsNothing) {
    configure(lanRule + "colour = \"red\"\n");
    start();
    EXPECT_THAT(client().root("ConfigError").get<std::string>(), HasSubstr(configFile() + ":4:1: "));
    EXPECT_THAT(client().root("ConfigError").get<std::string>(), HasSubstr("colour"));
    EXPECT_THAT(ruleNames(), IsEmpty());
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_EQ(client().describe().at("config-error"), client().root("ConfigError"));
    configure(lanRule);
    client().manager().Reload();
    client().waitForState(3, "bound");
    EXPECT_EQ(client().root("ConfigError"), "");
}

/// Case 47.
TEST_F(ConfigTest, AReloadOfABrokenFileKeepsTheOldRules) {
    configure(lanRule);
    start();
    tell("clear-writes");
    configure(lanRule + "[[bind]]\nname = \"card\"\ndevices = [\"01:00.0\"\n");
    const auto refusal = reloadRefusal();
    EXPECT_EQ(refusal.name, "ConfigInvalid");
    EXPECT_THAT(refusal.message, MatchesRegex(configFile() + ":[0-9]+:[0-9]+: .+"));
    EXPECT_EQ(client().root("ConfigError"), refusal.message);
    EXPECT_THAT(ruleNames(), ElementsAre("lan"));
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "bound");
    tell("unplug " + nic);
    tell("hotplug " + networkCard(nic, 3).dump());
    client().waitForState(3, "bound"); // the old rules are in force
}

/// All errors of all files at once, each with its place.
TEST_F(ConfigTest, AReloadTellsEveryError) {
    start();
    configure("[[bind]]\nname = \"a\"\ndevices = [\"xyz\"]\n");
    mkdir(dropIns().c_str(), 0755);
    writeFile(dropIns() + "/b.toml", "[[bind]]\nname = \"b\"\ndevices = [\"01:00.0\"]\ntimeout = 5\n");
    const auto refusal = reloadRefusal();
    EXPECT_THAT(refusal.message, HasSubstr(configFile() + ":3:"));
    EXPECT_THAT(refusal.message, HasSubstr(dropIns() + "/b.toml:4:"));
}

/// Case 61.
TEST_F(ConfigTest, TwoRulesThatContradictAreRefusedAndBothNamed) {
    start();
    configure("[[bind]]\nname = \"video\"\ndevices = [\"" + gpu + "\"]\ndriver = \"vfio-pci\"\n" +
              "[[bind]]\nname = \"sound\"\ndevices = [\"" + audio + "\"]\ndriver = \"pci-stub\"\n");
    auto refusal = reloadRefusal();
    EXPECT_EQ(refusal.name, "ConfigInvalid");
    for (const auto* part : {"video", "sound", "vfio-pci", "pci-stub", "group 1"})
        EXPECT_THAT(refusal.message, HasSubstr(part));
    configure("[[bind]]\nname = \"one\"\ndevices = [\"" + nic +
              "\"]\n[[bind]]\nname = \"two\"\ndevices = [\"8086:10d3\"]\n");
    refusal = reloadRefusal();
    for (const auto& part : {std::string("one"), std::string("two"), nic})
        EXPECT_THAT(refusal.message, HasSubstr(part));
    EXPECT_THAT(writes(), IsEmpty());
}

/// Case 64.
TEST_F(ConfigTest, ANameInTwoFilesIsRefusedAndBothPlacesNamed) {
    start();
    configure(lanRule);
    mkdir(dropIns().c_str(), 0755);
    writeFile(dropIns() + "/x.toml", lanRule);
    const auto refusal = reloadRefusal();
    EXPECT_THAT(refusal.message, HasSubstr(configFile() + ":"));
    EXPECT_THAT(refusal.message, HasSubstr(dropIns() + "/x.toml:"));
    EXPECT_THAT(refusal.message, HasSubstr("lan"));
}

/// Case 65.
TEST_F(ConfigTest, ARuleThatNamesABridgeIsRefusedAndWhatIsBehindItNamed) {
    configure("[[bind]]\nname = \"slot\"\ndevices = [\"0000:00:01.0\"]\n");
    start();
    EXPECT_THAT(client().root("ConfigError").get<std::string>(), HasSubstr("slot"));
    EXPECT_THAT(client().root("ConfigError").get<std::string>(), HasSubstr(gpu));
    EXPECT_THAT(writes(), IsEmpty());
}

/// Case 62.
TEST_F(ConfigTest, ARuleThatMatchesNothingIsShownAndWaits) {
    configure("[[bind]]\nname = \"later\"\ndevices = [\"8086:1533\"]\n");
    start();
    EXPECT_EQ(client().root("ConfigError"), "");
    EXPECT_THAT(ruleNames(), ElementsAre("later"));
    EXPECT_EQ(client().describe().at("rules")[0].at("matches"), json::array());
    EXPECT_EQ(client().describe().at("rules")[0].at("when"), "always");
    tell("hotplug " + networkCard("0000:04:00.0", 9, "8086:1533").dump());
    client().waitForState(9, "bound");
    EXPECT_EQ(client().describe().at("rules")[0].at("matches"), json::array({"0000:04:00.0"}));
}

TEST_F(ConfigTest, AFileForAnotherMachineIsSaidToBeAbsent) {
    mkdir(dropIns().c_str(), 0755);
    const auto file = dropIns() + "/other.toml";
    writeFile(file, "[match]\nhost = \"no-such-host-*\"\n" + lanRule);
    start();
    EXPECT_THAT(ruleNames(), IsEmpty());
    const auto files = client().root("AbsentFiles");
    ASSERT_EQ(files.size(), 1U);
    EXPECT_EQ(files[0][0], file);
    EXPECT_THAT(files[0][1].get<std::string>(), HasSubstr("it is for host \"no-such-host-*\""));
    EXPECT_EQ(client().describe().at("absent-files")[0].at("why"), files[0][1]);
    writeFile(file, lanRule);
    client().manager().Reload();
    client().waitForState(3, "bound");
    EXPECT_EQ(client().root("AbsentFiles").size(), 0U);
}

/// A rule of an address and an id whose card is in another slot says where, from the moment when it is known.
TEST_F(ConfigTest, ACardInAnotherSlotIsSaidToBeThere) {
    const std::string elsewhere = "0000:05:00.0";
    const auto warnings = [this] { return client().root("Warnings").dump(); };
    start();
    configure("[[bind]]\nname = \"lan\"\ndevices = [{ address = \"0000:04:00.0\", id = \"8086:10d3\" }]\n");
    client().manager().Reload();
    EXPECT_THAT(warnings(), HasSubstr("8086:10d3 is at " + nic + ", " + twin + " now"));
    configure("[[bind]]\nname = \"lan\"\ndevices = [{ address = \"0000:04:00.0\", id = \"8086:1533\" }]\n");
    client().manager().Reload();
    EXPECT_THAT(warnings(), Not(HasSubstr(" is at ")));
    tell("hotplug " + networkCard(elsewhere, 9, "8086:1533").dump());
    settle();
    EXPECT_THAT(warnings(), HasSubstr("8086:1533 is at " + elsewhere + " now"));
    tell("unplug " + elsewhere);
    settle();
    EXPECT_THAT(warnings(), Not(HasSubstr(elsewhere)));
}

/// Case 11: another card is at the address.
TEST_F(ConfigTest, AnotherCardAtTheAddressIsNotTaken) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [{ address = \"" + nic + "\", id = \"8086:1533\" }]\n");
    start();
    EXPECT_EQ(client().group(3, "State"), "blocked");
    ASSERT_EQ(client().group(3, "Blockers").size(), 1U);
    EXPECT_EQ(client().group(3, "Blockers")[0][0], "id-mismatch");
    EXPECT_EQ(client().group(3, "Blockers")[0][1], nic);
    EXPECT_THAT(client().group(3, "Blockers")[0][2].get<std::string>(), HasSubstr("8086:10d3"));
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(refusalOf([&] { client().bind("group/3"); }).name, "Blocked");
}

/// Case 12.
TEST_F(ConfigTest, MoreDevicesThanCountedAreAmbiguous) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"8086:10d3\"]\ncount = 1\n");
    start();
    for (const unsigned group : {3U, 5U}) {
        EXPECT_EQ(client().group(group, "State"), "blocked");
        EXPECT_EQ(client().group(group, "Blockers")[0][0], "ambiguous");
    }
    EXPECT_THAT(writes(), IsEmpty());
}

/// Case 48: a rule that is taken out lets go of nothing.
TEST_F(ConfigTest, ARuleThatIsTakenOutLeavesItsGroupBound) {
    configure(lanRule);
    start();
    tell("clear-writes");
    configure("");
    client().manager().Reload();
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_THAT(client().releaseAndWait(nic), ElementsAre("done"));
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_EQ(driverOf(nic), "e1000e");
}

/// A new rule is carried out on Reload, and the change of rules told.
TEST_F(ConfigTest, ANewRuleIsCarriedOutOnReload) {
    start();
    configure(lanRule);
    client().manager().Reload();
    client().waitForState(3, "bound");
    settle();
    EXPECT_EQ(client().audit(), "");
    EXPECT_THAT(client().changedOf(bus::rootPath), testing::IsSupersetOf({"Rules", "ConfigFiles", "Jobs"}));
}

/// A release holds until the configuration is changed, not merely read again.
TEST_F(ConfigTest, AReleasedGroupIsTakenBackByAChangedConfigurationOnly) {
    configure(lanRule);
    start();
    EXPECT_THAT(client().releaseAndWait("lan"), ElementsAre("done"));
    client().manager().Reload();
    settle();
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_EQ(driverOf(nic), "e1000e");
    configure(lanRule + "driver = \"vfio-pci\"\n");
    client().manager().Reload();
    client().waitForState(3, "bound");
}

class PersistTest : public BusTest {
protected:
    const Options persist{{"persist", sdbus::Variant(true)}};
    std::string dropIn() const { return dropIns() + "/persist-0000_02_00_0.toml"; }
};

TEST_F(PersistTest, BindWritesADropInAndReleaseTakesItAway) {
    start();
    EXPECT_THAT(client().bindAndWait(nic, persist), ElementsAre("done"));
    EXPECT_THAT(readFile(dropIn()), HasSubstr(nic));
    EXPECT_THAT(readFile(dropIn()), HasSubstr("8086:10d3"));
    EXPECT_EQ(client().root("ConfigError"), "");
    ASSERT_EQ(client().root("Rules").size(), 1U);
    EXPECT_EQ(client().group(3, "Rule"), client().root("Rules")[0][0]);
    EXPECT_THAT(client().releaseAndWait(nic, persist), ElementsAre("done"));
    EXPECT_FALSE(std::ifstream(dropIn()).good());
    EXPECT_EQ(client().root("Rules"), json::array());
    EXPECT_EQ(driverOf(nic), "e1000e");
    restart();
    EXPECT_EQ(client().group(3, "State"), "native");
}

TEST_F(PersistTest, TheOptionsOfTheCallAreKept) {
    start();
    EXPECT_THAT(client().bindAndWait(nic, {{"persist", sdbus::Variant(true)},
                                           {"method", text("new-id")},
                                           {"driver", text("vfio-pci")},
                                           {"allow", texts({"network-up", "default-route"})}}),
                ElementsAre("done"));
    const auto content = readFile(dropIn());
    EXPECT_THAT(content, HasSubstr("method = \"new-id\""));
    EXPECT_THAT(content, HasSubstr("driver = \"vfio-pci\""));
    EXPECT_THAT(content, HasSubstr("\"network-up\", \"default-route\""));
    client().manager().Reload(); // what it wrote can be read
    EXPECT_EQ(client().root("ConfigError"), "");
}

TEST_F(PersistTest, ACodeThatIsAllowedTwiceIsWrittenOnce) {
    start();
    EXPECT_THAT(client().bindAndWait(
                    nic, {{"persist", sdbus::Variant(true)}, {"allow", texts({"network-up", "network-up"})}}),
                ElementsAre("done"));
    client().manager().Reload();
    EXPECT_EQ(client().root("ConfigError"), "");
    EXPECT_EQ(client().root("Rules").size(), 1U);
}

TEST_F(PersistTest, WhatRootIsEditingIsLeftForReload) {
    start();
    configure("[[bind]]\nname = \"pending\"\ndevices = [\"" + gpu + "\"]\n");
    EXPECT_THAT(client().bindAndWait(nic, persist), ElementsAre("done"));
    ASSERT_EQ(client().root("Rules").size(), 1U);
    EXPECT_EQ(client().root("Rules")[0][0], "persist-0000_02_00_0");
    client().manager().Reload();
    EXPECT_EQ(client().root("Rules").size(), 2U);
}

TEST_F(PersistTest, ARefusedCallLeavesNoErrorOfTheConfiguration) {
    start();
    const auto refused = refusalOf([&] {
        client().bind(nic, {{"persist", sdbus::Variant(true)}, {"allow", texts({"unexpected-member"})}});
    });
    EXPECT_THAT(refused.message, HasSubstr("not valid"));
    EXPECT_EQ(client().root("ConfigError"), "");
    EXPECT_FALSE(std::ifstream(dropIn()).good());
    EXPECT_EQ(driverOf(nic), "e1000e");
}

TEST_F(PersistTest, ARuleWrittenByHandIsNotReleasedForGood) {
    configure(lanRule);
    start();
    tell("clear-writes");
    const auto refusal = refusalOf([&] { client().release(nic, persist); });
    EXPECT_EQ(refusal.name, "InvalidArgument");
    EXPECT_THAT(refusal.message, HasSubstr(configFile() + ":1:"));
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "bound");
}

/// Case 69: the drop-in directory takes no files; not from root either, as /sys does not.
TEST_F(PersistTest, AReadOnlyDirectoryIsToldAndNothingIsDone) {
    ASSERT_EQ(symlink("/sys/kernel", dropIns().c_str()), 0);
    start();
    const auto refusal = refusalOf([&] { client().bind(nic, persist); });
    EXPECT_EQ(refusal.name, "ReadOnly");
    EXPECT_THAT(refusal.message, HasSubstr(dropIn()));
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_THAT(client().bindAndWait(nic), ElementsAre("done"))
        << "without persist nothing stands against it";
}

/// Case 69: state cannot be kept.
TEST_F(PersistTest, AReadOnlyStateDirectoryIsToldAndNothingIsDone) {
    ASSERT_EQ(rmdir(stateFolder().c_str()), 0);
    ASSERT_EQ(symlink("/sys/kernel", stateFolder().c_str()), 0);
    start();
    const auto refusal = refusalOf([&] { client().bind(nic); });
    EXPECT_EQ(refusal.name, "ReadOnly");
    EXPECT_THAT(refusal.message, HasSubstr(stateFolder()));
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "native");
}

/// Only the ledger: lock and journal could be written.
TEST_F(PersistTest, ARequestThatCannotBeNotedIsNotCarriedOutLater) {
    ASSERT_EQ(mkdir((stateFolder() + "/ledger.json").c_str(), 0755), 0);
    start();
    const auto refusal = refusalOf([&] { client().bind("8086:10d3", {{"persist", sdbus::Variant(true)}}); });
    EXPECT_EQ(refusal.name, "ReadOnly") << refusal.message;
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_TRUE(!std::filesystem::exists(dropIns()) || std::filesystem::is_empty(dropIns()));
}

/// One of two drop-ins cannot be written: then neither is there, and nothing is remembered.
TEST_F(PersistTest, ACallIsNotedAsAWholeOrNotAtAll) {
    start();
    const auto second = dropIns() + "/persist-0000_03_00_0.toml";
    std::filesystem::create_directories(second + "/in-the-way");
    const auto refusal = refusalOf([&] { client().bind("8086:10d3", {{"persist", sdbus::Variant(true)}}); });
    EXPECT_EQ(refusal.name, "ReadOnly") << refusal.message;
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(dropIns() + "/persist-0000_02_00_0.toml"));
    std::filesystem::remove_all(second);
    restart();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "native");
}

} // namespace
} // namespace vfiobind::bustest::config_test
