// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/keyboard.h"

#include "host_sysfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::keyboard_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const auto controller = Address::parse("0000:00:14.0").value();
const auto other = Address::parse("0000:05:00.0").value();
constexpr const char* allKeys = "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n";
constexpr const char* buttons = "10000000000000 0\n"; // KEY_POWER alone

void putInput(FakeKernel& kernel, const std::string& name, const std::string& place, const char* keys) {
    const auto folder = "/sys/devices/" + place + "/input/" + name;
    kernel.putFile(folder + "/capabilities/key", keys);
    kernel.putFile(folder + "/name", "Keyboard of " + name + '\n');
    kernel.putLink("/sys/class/input/" + name, "../../devices/" + place + "/input/" + name);
}

const std::string usb = "pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/0003:046D:C31C.0001";

// case 10
TEST(LastKeyboard, TheOnlyOneIsNotTaken) {
    FakeKernel kernel;
    putInput(kernel, "input5", usb, allKeys);
    putInput(kernel, "input6", "LNXSYSTM:00/LNXPWRBN:00", buttons);
    const auto found = keyboardBlockers(kernel, {other, controller});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].str(), "last-keyboard: the machine's last keyboard (Keyboard of input5) hangs on "
                              "0000:00:14.0; plug another one in elsewhere first");
    EXPECT_EQ(found[0].device, controller);
    EXPECT_THAT(keyboardBlockers(kernel, {other}), IsEmpty()) << "another controller";
}

// case 10
TEST(LastKeyboard, WithAnotherOneElsewhereItIsNotTheLast) {
    for (const auto* elsewhere : {"platform/i8042/serio0", "pci0000:00/0000:05:00.0/usb3/3-1/3-1:1.0/x"}) {
        FakeKernel kernel;
        putInput(kernel, "input5", usb, allKeys);
        putInput(kernel, "input9", elsewhere, allKeys);
        EXPECT_THAT(keyboardBlockers(kernel, {controller}), IsEmpty()) << elsewhere;
    }
}

TEST(LastKeyboard, WhatSoftwarePretendsToIsNoOther) {
    FakeKernel kernel;
    putInput(kernel, "input5", usb, allKeys);
    putInput(kernel, "input9", "virtual", allKeys);
    EXPECT_EQ(keyboardBlockers(kernel, {controller}).size(), 1U);
}

TEST(LastKeyboard, AMachineWithoutOneHasNoneToLose) {
    FakeKernel kernel;
    EXPECT_THAT(keyboardBlockers(kernel, {controller}), IsEmpty());
    putInput(kernel, "input5", usb, buttons); // a remote control
    EXPECT_THAT(keyboardBlockers(kernel, {controller}), IsEmpty());
}

// case 10: both of the keyboards go with the group
TEST(LastKeyboard, AllOfAGroupGoTogether) {
    FakeKernel kernel;
    putInput(kernel, "input5", usb, allKeys);
    putInput(kernel, "input9", "pci0000:00/0000:05:00.0/usb3/3-1/3-1:1.0/x", allKeys);
    EXPECT_EQ(keyboardBlockers(kernel, {controller, other}).size(), 1U);
}

TEST(LastKeyboard, WhatCannotBeReadIsNotTakenForFree) {
    FakeKernel kernel;
    putInput(kernel, "input5", usb, allKeys);
    HostSysfs blind(kernel);
    blind.errors["/sys/class/input"] = EACCES;
    const auto found = keyboardBlockers(blind, {controller});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_FALSE(found[0].seen);
    EXPECT_THAT(found[0].sentence, HasSubstr("/sys/class/input: EACCES"));
}

} // namespace
} // namespace vfiobind::keyboard_test
