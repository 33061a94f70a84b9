// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/work.h"

#include <gtest/gtest.h>

namespace vfiobind::work_messages_test {
namespace {

TEST(WorkMessages, RoundTrip) {
    const Address device{.bus = 1};
    const std::vector<WorkMessage> messages{
        Verdict{.nothingToDo = true,
                .blockers = {{"mounted", device, "holds /"}, {"not-viable", {}, "x \"y\" \n z"}},
                .overridden = {{.code = "swap",
                                .device = {},
                                .sentence = "s",
                                .processes = {812},
                                .details = {{1000, "s", "swap"}}}},
                .steps = {"override 0000:01:00.0 vfio-pci"},
                .holders = {{812, 1000, "qemu", "qemu (VM a)"}},
                .drivers = {{device, "nouveau"}}},
        StepBegun{"bind 0000:01:00.0 vfio-pci"},
        StepEnded{"done"},
        OverrideRead{device, "none"},
        Finished{"failed", "why", {"a", "b"}},
        Finished{"done", {}, {}, {"vtcon1"}},
        Died{"killed"},
    };
    for (const auto& message : messages) {
        const auto line = encode(message);
        EXPECT_EQ(line.find('\n'), std::string::npos);
        const auto back = decode(line);
        ASSERT_TRUE(back) << line << ": " << back.error();
        EXPECT_EQ(*back, message) << line;
    }
}

TEST(WorkMessages, WhatIsNoMessageIsRefused) {
    for (const auto* line :
         {"", "{}", "[]", R"({"is":"dance"})", R"({"is":"override","device":"../x","value":""})"})
        EXPECT_FALSE(decode(line)) << line;
}

} // namespace
} // namespace vfiobind::work_messages_test
