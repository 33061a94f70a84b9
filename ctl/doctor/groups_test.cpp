// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doctor/groups.h"

#include "fake/machine.h"
#include "sysfs/real_sysfs.h"

#include <nlohmann/json.hpp>

namespace vfiobind::ctl::groups_test {
namespace {

using namespace fakemachine;
using namespace std::string_literals;
using testing::HasSubstr;

const DeviceNames noNames{
    .kind = [](const Ids& ids) { return ids.baseClass() == 3 ? "VGA"s : ""s; },
    .name = [](const Ids& ids) { return ids.vendor == 0x10de ? "NVIDIA \x1b[31m"s : ""s; }};

FakeKernel groupsMachine() {
    auto kernel = machine();
    kernel.setGroupType(1, "DMA-FQ");
    std::string config(256, '\0');
    config[0x06] = 0x10;
    config[0x34] = 0x40;
    config[0x40] = 0x05;
    kernel.putFile(devices + gpu + "/config", config);
    kernel.putFile(devices + audio + "/config", std::string(64, '\0')); // what an ordinary user gets
    kernel.putFile(devices + audio + "/reset_method", "\n");
    return kernel;
}

TEST(Groups, AreATreeWithMarks) {
    const auto kernel = groupsMachine();
    const auto text = renderGroups(listGroups(kernel, noNames).value(), Style{.columns = 0});
    EXPECT_THAT(text, HasSubstr("group 1 DMA-FQ\n"
                                "  01:00.0 RM- [10de:1284] nouveau       VGA: NVIDIA \\x1b[31m\n"
                                "  01:00.1 -?? [10de:0e0f] snd_hda_intel [0403]: NVIDIA \\x1b[31m\n"));
    EXPECT_THAT(text, HasSubstr("\nR can be reset, M has MSI, X has MSI-X.\n? only root can tell.\n"));
}

TEST(Groups, LinesAreCutToTheTerminal) {
    const auto kernel = groupsMachine();
    std::istringstream text(renderGroups(listGroups(kernel, noNames).value(), Style{.columns = 50}));
    for (std::string line; std::getline(text, line);)
        EXPECT_LE(displayWidth(line), 50U) << line;
}

TEST(Groups, DevicesThatNoIommuHasAreListedToo) {
    FakeKernel kernel;
    kernel.setIommu({});
    kernel.addDevice({.address = "0000:00:1f.2", .ids = "8086:2922", .classCode = 0x010601});
    const auto text = renderGroups(listGroups(kernel, noNames).value(), Style{.columns = 0});
    EXPECT_THAT(text, HasSubstr("in no group\n  00:1f.2 "));
    EXPECT_THAT(text, HasSubstr("There are no IOMMU groups: 'vfio-bindctl doctor' says why."));
}

TEST(Groups, AsJson) {
    const auto kernel = groupsMachine();
    const auto json = nlohmann::json::parse(groupsJson(listGroups(kernel, noNames).value()));
    const auto& group = json["groups"][1];
    EXPECT_EQ(group["number"], 1);
    EXPECT_EQ(group["type"], "DMA-FQ");
    EXPECT_EQ(group["devices"][0]["address"], gpu);
    EXPECT_EQ(group["devices"][0]["class"], "030000");
    EXPECT_EQ(group["devices"][0]["msi"], true);
    EXPECT_EQ(group["devices"][0]["msi-x"], false);
    EXPECT_EQ(group["devices"][0]["reset-methods"], (std::vector<std::string>{"flr", "bus"}));
    EXPECT_TRUE(group["devices"][1]["msi"].is_null());
    EXPECT_EQ(json["groupless"].size(), 0U);
}

TEST(Groups, WithoutSysfsThereIsAnError) {
    const RealSysfs nothing("/nonexistent");
    EXPECT_EQ(listGroups(nothing, noNames).error().str(),
              "list /sys/bus/pci/devices: ENOENT (No such file or directory)");
}

} // namespace
} // namespace vfiobind::ctl::groups_test
