// SPDX-License-Identifier: LGPL-2.1-or-later
// The library of the machine that runs the tests; what it has modules for is not known.
#include "machine/kmod_library.h"

#include <gtest/gtest.h>

namespace vfiobind::kmod_library_test {
namespace {

TEST(KmodLibraryTest, WhatServesAnAliasThatNobodyHasIsNothing) {
    const Libkmod kmod;
    const auto serving = kmod.serving("pci:v0000FFFEd0000FFFEsv*");
    ASSERT_TRUE(serving) << serving.error();
    EXPECT_TRUE(serving->empty());
}

} // namespace
} // namespace vfiobind::kmod_library_test
