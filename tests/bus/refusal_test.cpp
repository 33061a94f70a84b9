// SPDX-License-Identifier: LGPL-2.1-or-later
// Calls that are refused: each with its error's name and a sentence that names the thing.
#include "fixture.h"
#include "other_user.h"

#include <functional>

namespace vfiobind::bustest::refusal_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RefusalTest : public BusTest {
protected:
    void TearDown() override {
        EXPECT_THAT(writes(), IsEmpty()) << "what is refused writes nothing";
        BusTest::TearDown();
    }
    Refusal bindRefusal(const std::string& target, const Options& options = {}) {
        return refusalOf([&] { client().bind(target, options); });
    }
    void expectRefused(const Refusal& refusal, const std::string& name, const std::string& part) {
        EXPECT_EQ(refusal.name, name) << refusal.message;
        EXPECT_THAT(refusal.message, HasSubstr(part));
    }
};

/// Case 52. NUL cannot be in a D-Bus string: the bus itself refuses it, and sd-bus does not send it.
TEST_F(RefusalTest, TargetsThatAreNone) {
    start();
    const std::vector<std::string> invalid{"",
                                           "../../etc/passwd",
                                           "0000:01:00.0/../0000:02:00.0",
                                           "0000:01:00.0\n0000:02:00.0",
                                           "0000:01:00.0\n",
                                           " 0000:01:00.0",
                                           "0000:01:20.0",
                                           "0000:01:00.8",
                                           "10de:12841",
                                           "10de:zzzz",
                                           "group/",
                                           "group/x",
                                           "group/-1",
                                           "group/1/",
                                           "group/99999999999999999999",
                                           "path:../../x",
                                           "rule name",
                                           "*",
                                           std::string(100'000, 'a') + "/"};
    for (const auto& target : invalid) {
        const auto refusal = bindRefusal(target);
        EXPECT_EQ(refusal.name, "InvalidArgument") << target.substr(0, 80) << ": " << refusal.message;
        EXPECT_FALSE(refusal.message.empty());
        EXPECT_THAT(refusal.message, Not(HasSubstr("\n")))
            << "a sentence that goes into a log has no line breaks";
        EXPECT_EQ(refusalOf([&] { client().release(target); }).name, "InvalidArgument");
        EXPECT_EQ(refusalOf([&] { client().check(target); }).name, "InvalidArgument");
    }
}

TEST_F(RefusalTest, TargetsThatAreNotThere) {
    start();
    expectRefused(bindRefusal("0000:0f:00.0"), "NoSuchDevice", "0000:0f:00.0");
    expectRefused(bindRefusal("1234:5678"), "NoSuchDevice", "1234:5678");
    expectRefused(bindRefusal("group/77"), "NoSuchGroup", "77");
    expectRefused(bindRefusal("no-such-rule"), "NoSuchRule", "no-such-rule");
}

TEST_F(RefusalTest, OptionsOfAGroup) {
    start();
    Group group(client().connection(), 1);
    const auto refusal = [&](const Options& options) { return refusalOf([&] { group.Bind(options); }); };
    const auto none = "InvalidArgument";
    expectRefused(refusal({{"driver", sdbus::Variant(std::uint32_t{7})}}), none,
                  "'driver' is to be a string");
    expectRefused(refusal({{"driver", texts({"vfio-pci"})}}), none, "'driver' is to be a string");
    expectRefused(refusal({{"driver", text("../x")}}), none, "'../x' is no driver's name");
    expectRefused(refusal({{"persist", text("yes")}}), none, "'persist' is to be a boolean");
    expectRefused(refusal({{"allow", text("mounted")}}), none, "'allow' is to be an array");
    expectRefused(refusal({{"allow", texts({"mounted", "nonsense"})}}), none,
                  "'nonsense' is no blocker's code");
    expectRefused(refusal({{"allow", sdbus::Variant(Options{{"deep", text("x")}})}}), none,
                  "'allow' is to be");
    expectRefused(refusal({{"persist", sdbus::Variant(true)}, {"x", sdbus::Variant(std::uint8_t{1})}}), none,
                  "'x' is unknown");
    expectRefused(refusalOf([&] { group.Release({{"driver", text("auto")}}); }), none,
                  "'driver' is unknown here");
    expectRefused(refusalOf([&] { group.Check({{"method", text("x")}}); }), none, "method 'x' is unknown");
}

TEST_F(RefusalTest, ARuleThatMatchesNothing) {
    configure("[[bind]]\nname = \"later\"\ndevices = [\"10de:ffff\"]\n");
    start();
    expectRefused(bindRefusal("later"), "NoSuchDevice", "rule later matches no device");
}

TEST_F(RefusalTest, ABridgeIsNotBoundAndWhatIsBehindItIsNamed) {
    start();
    expectRefused(bindRefusal("0000:00:01.0"), "InvalidArgument", gpu);
}

/// Cases 21 and 22.
TEST_F(RefusalTest, ADeviceWithoutAnIommuGroup) {
    start();
    expectRefused(bindRefusal("0000:00:19.0"), "Blocked", "0000:00:19.0 has no IOMMU group");
    const auto found = client().check("0000:00:19.0");
    EXPECT_FALSE(found.possible);
    EXPECT_THAT(found.blockers, ElementsAre("no-iommu"));
}

TEST_F(RefusalTest, OptionsThatAreUnknownOrWrong) {
    start();
    expectRefused(bindRefusal(gpu, {{"drive", text("vfio-pci")}}), "InvalidArgument", "'drive'");
    expectRefused(bindRefusal(gpu, {{"driver", sdbus::Variant(true)}}), "InvalidArgument", "'driver'");
    expectRefused(bindRefusal(gpu, {{"driver", text("../vfio-pci")}}), "InvalidArgument", "../vfio-pci");
    expectRefused(bindRefusal(gpu, {{"driver", text("")}}), "InvalidArgument", "driver");
    expectRefused(bindRefusal(gpu, {{"method", text("magic")}}), "InvalidArgument", "'magic'");
    expectRefused(bindRefusal(gpu, {{"allow", text("has-vfs")}}), "InvalidArgument", "'allow'");
    expectRefused(bindRefusal(gpu, {{"allow", texts({"has-vvs"})}}), "InvalidArgument", "'has-vvs'");
    expectRefused(bindRefusal(gpu, {{"persist", text("yes")}}), "InvalidArgument", "'persist'");
    for (const auto* code : {"driver-missing", "no-iommu", "not-viable", "id-mismatch", "ambiguous",
                             "direct-reserved-region", "inaccessible", "denylisted"})
        expectRefused(bindRefusal(gpu, {{"allow", texts({code})}}), "InvalidArgument", code);
}

TEST_F(RefusalTest, OptionsOfAnotherCall) {
    start();
    expectRefused(refusalOf([&] { client().release(gpu, {{"driver", text("nouveau")}}); }), "InvalidArgument",
                  "'driver'");
    expectRefused(refusalOf([&] { client().release(gpu, {{"method", text("override")}}); }),
                  "InvalidArgument", "'method'");
    expectRefused(refusalOf([&] { client().check(gpu, {{"persist", text("yes")}}); }), "InvalidArgument",
                  "'persist'");
    Group group(client().connection(), 1);
    expectRefused(refusalOf([&] { group.Bind({{"x", text("")}}); }), "InvalidArgument", "'x'");
    expectRefused(refusalOf([&] { group.Release({{"x", text("")}}); }), "InvalidArgument", "'x'");
    expectRefused(refusalOf([&] { group.Check({{"x", text("")}}); }), "InvalidArgument", "'x'");
}

/// Case 23.
TEST_F(RefusalTest, ADeviceOnTheDenylistIsBlocked) {
    auto machine = standardMachine();
    machine["devices"].push_back(
        {{"address", "0000:04:00.0"}, {"ids", "8086:37c8"}, {"class", "0b4000"}, {"group", 9}});
    start(machine);
    const auto refusal = bindRefusal("0000:04:00.0");
    expectRefused(refusal, "Blocked", "denylisted");
    EXPECT_THAT(refusal.message, HasSubstr("0000:04:00.0"));
    EXPECT_EQ(client().group(9, "Blockers")[0][0], "denylisted") << "at once";
    const auto found = client().check("0000:04:00.0");
    EXPECT_FALSE(found.possible);
    EXPECT_THAT(found.blockers, ElementsAre("denylisted"));
}

/// Case 5.
TEST_F(RefusalTest, AGroupWithADriverThatVfioDoesNotBear) {
    auto machine = standardMachine();
    machine["drivers"].push_back(
        {{"name", "ie31200_edac"}, {"module", "ie31200_edac"}, {"ids", {"8086:29d0"}}});
    machine["devices"].push_back({{"address", "0000:04:00.0"},
                                  {"ids", "8086:29d0"},
                                  {"class", "060000"},
                                  {"group", 9},
                                  {"driver", "ie31200_edac"}});
    machine["devices"].push_back(networkCard("0000:04:01.0", 9, "8086:100e"));
    start(machine);
    const auto refusal = bindRefusal("0000:04:01.0");
    expectRefused(refusal, "NotViable", "0000:04:00.0");
    EXPECT_THAT(refusal.message, HasSubstr("ie31200_edac"));
}

/// Case 19.
TEST_F(RefusalTest, ADriverThatIsNotThere) {
    auto machine = standardMachine();
    machine["vfio-pci"] = "absent";
    start(machine);
    expectRefused(bindRefusal(nic), "DriverMissing", "vfio_pci");
    expectRefused(bindRefusal(nic, {{"driver", text("no-such")}}), "DriverMissing", "no_such");
}

/// A check loads nothing, and what could be loaded counts as there.
TEST_F(RefusalTest, ACheckLoadsNoModule) {
    auto machine = standardMachine();
    machine["vfio-pci"] = "unloaded";
    start(machine);
    EXPECT_TRUE(client().check(nic).possible);
    settle();
    EXPECT_THAT(client().check(nic, {{"driver", text("no-such")}}).blockers, ElementsAre("driver-missing"));
    EXPECT_EQ(tell("modules"), json::array());
}

/// One blocked group: none of the call's groups is touched.
TEST_F(RefusalTest, OneBlockedGroupStopsTheWholeCall) {
    auto machine = standardMachine();
    auto third = networkCard("0000:04:00.0", 9);
    third["dead"] = true;
    machine["devices"].push_back(third);
    start(machine);
    expectRefused(bindRefusal("8086:10d3"), "Blocked", "inaccessible");
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_EQ(client().group(5, "State"), "native");
}

/// Case 56.
TEST_F(RefusalTest, AReservedRegionThatTheFirmwareKeeps) {
    auto machine = standardMachine();
    machine["reserved-regions"]["3"] = "0x00000000dd000000 0x00000000ddffffff direct";
    start(machine);
    expectRefused(bindRefusal(nic), "Blocked", "direct-reserved-region");
}

/// Case 52: who may change, where no polkit is. The client is another user's process.
TEST_F(RefusalTest, AnotherUserMayLookAndNotChange) {
    OtherUser user([] {
        BusClient other;
        auto report = other.group(1, "State").get<std::string>() + '\n';
        report += std::to_string(other.check(gpu).possible) + '\n';
        for (const auto& call : std::vector<std::function<void()>>{
                 [&] { other.bind(gpu); }, [&] { other.release(gpu); }, [&] { other.manager().Reload(); },
                 [&] { Group(other.connection(), 1).Bind({}); },
                 [&] { Group(other.connection(), 1).Release({}); }})
            report += refusalOf(call).name + '\n';
        return report;
    });
    start();
    user.go();
    const std::string denied = "org.freedesktop.DBus.Error.AccessDenied\n";
    EXPECT_EQ(user.report(), "native\n1\n" + denied + denied + denied + denied + denied);
}

} // namespace
} // namespace vfiobind::bustest::refusal_test
