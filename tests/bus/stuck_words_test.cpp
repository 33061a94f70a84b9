// SPDX-License-Identifier: LGPL-2.1-or-later
// What is told of a step that hangs.
#include "fixture.h"

namespace vfiobind::bustest::stuck_words_test {
namespace {

using testing::HasSubstr;

class StuckWordsTest : public BusTest {};

/// Persistence mode keeps the card without a process that has it open, so that no guard sees it.
TEST_F(StuckWordsTest, WhereNvidiasDriverHangsItsPersistenceModeIsNamed) {
    auto machine = standardMachine();
    machine["drivers"][0]["name"] = machine["drivers"][0]["module"] = "nvidia";
    for (auto& device : machine["devices"])
        if (device["address"] == gpu)
            device["driver"] = "nvidia";
    start(machine);
    configure("[defaults]\ntimeout = \"200ms\"\n[[bind]]\nname = \"card\"\ndevices = [\"" + gpu + "\"]\n");
    tell("hang-at nvidia/unbind <- " + gpu);
    client().manager().Reload();
    client().waitForState(1, "stuck");
    EXPECT_THAT(client().group(1, "LastError").get<std::string>(),
                HasSubstr("nvidia-smi -i " + gpu + " -pm 0 is reported to help"));
    tell("finish-hang");
    client().waitForState(1, "bound");
}

} // namespace
} // namespace vfiobind::bustest::stuck_words_test
