// SPDX-License-Identifier: LGPL-2.1-or-later
// The files by which udev knows the policy follow the devices.
#include "fixture.h"

#include <filesystem>

namespace vfiobind::bustest::files_test {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string firstSlot = "0000:04:00.0";
const std::string secondSlot = "0000:05:00.0";

class FilesTest : public BusTest {
protected:
    void SetUp() override {
        BusTest::SetUp();
        configure(rule("lan"));
    }
    static std::string rule(const std::string& name) {
        return "[[bind]]\nname = \"" + name + "\"\ndevices = [\"8086:1533\"]\n";
    }
    /// Empty where there is none.
    std::string fileOf(const std::string& path) {
        settle();
        const auto whole = stateFolder() + "/files/run/" + path;
        return std::filesystem::exists(whole) ? readFile(whole) : std::string();
    }
    std::string nameOf(unsigned group) { return fileOf("vfio-bind/groups/" + std::to_string(group)); }
    std::string rules() { return fileOf("udev/rules.d/10-vfio-bind.rules"); }
    void plug(const std::string& slot, unsigned group) {
        tell("hotplug " + networkCard(slot, group, "8086:1533").dump());
    }
};

TEST_F(FilesTest, NameTheGroupsOfARuleByTheFirst) {
    start();
    EXPECT_EQ(nameOf(9), "");
    plug(secondSlot, 10);
    EXPECT_EQ(nameOf(10), "VFIO_BIND_NAME=\"lan\"\n");
    plug(firstSlot, 9);
    EXPECT_EQ(nameOf(9), "VFIO_BIND_NAME=\"lan\"\n");
    EXPECT_EQ(nameOf(10), "VFIO_BIND_NAME=\"lan-" + secondSlot + "\"\n");
    EXPECT_EQ(fileOf("vfio-bind/devices/" + firstSlot), nameOf(9));
    EXPECT_EQ(fileOf("vfio-bind/devices/" + secondSlot), nameOf(10));
    tell("unplug " + firstSlot);
    EXPECT_EQ(nameOf(9), "");
    EXPECT_EQ(fileOf("vfio-bind/devices/" + firstSlot), "");
    EXPECT_EQ(nameOf(10), "VFIO_BIND_NAME=\"lan\"\n");
    configure(rule("wan"));
    client().manager().Reload();
    EXPECT_EQ(nameOf(10), "VFIO_BIND_NAME=\"wan\"\n");
    configure("");
    client().manager().Reload();
    EXPECT_EQ(nameOf(10), "");
    EXPECT_EQ(rules(), "");
}

/// A package can bring a better driver, and no device tells of that.
TEST_F(FilesTest, NameTheVariantDriverOnceItsModuleIsInstalled) {
    start();
    EXPECT_THAT(rules(), HasSubstr("\"vfio-pci\""));
    tell("install-module " + json{{"name", "igb-vfio-pci"},
                                  {"module", "igb_vfio_pci"},
                                  {"vfio", true},
                                  {"override-only-ids", {"8086:1533"}}}
                                 .dump());
    EXPECT_THAT(rules(), Not(HasSubstr("\"vfio-pci\"")));
    EXPECT_THAT(rules(), HasSubstr("\"igb_vfio_pci\""));
}

TEST_F(FilesTest, KnowAllFunctionsThatWereTaken) {
    const std::string sibling = "0000:04:00.1";
    start();
    plug(firstSlot, 9);
    client().waitForState(9, "bound");
    EXPECT_THAT(rules(), Not(HasSubstr(sibling)));
    tell("hotplug " + networkCard(sibling, 9, "8086:10d3").dump());
    EXPECT_THAT(rules(), HasSubstr("KERNEL==\"" + sibling + "\""));
    tell("hotplug " + networkCard(secondSlot, 10, "8086:10d3").dump());
    EXPECT_THAT(rules(), Not(HasSubstr(secondSlot)));
}

} // namespace
} // namespace vfiobind::bustest::files_test
