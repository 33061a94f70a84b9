// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/module_options.h"

#include "fake/fake_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::module_options_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ModuleOptionLines, AreThoseThatTheConfigurationNames) {
    EXPECT_EQ(moduleOptionLines({}), "");
    EXPECT_THAT(moduleOptionLines({.disableVga = true, .allowUnsafeInterrupts = false}),
                testing::EndsWith(
                    "options vfio-pci disable_vga=Y\noptions vfio_iommu_type1 allow_unsafe_interrupts=N\n"));
}

TEST(OtherOptionsInForce, AreThoseOfAModuleThatIsLoadedAlready) {
    FakeKernel kernel;
    const ModuleOptions wanted{.disableVga = true, .disableIdleD3 = false};
    EXPECT_THAT(otherOptionsInForce(kernel, wanted), IsEmpty()) << "not loaded yet";
    kernel.addVfioPci();
    EXPECT_THAT(
        otherOptionsInForce(kernel, wanted),
        ElementsAre(HasSubstr("says disable-vga = true, but module vfio-pci is loaded with disable_vga=N")));
    EXPECT_THAT(otherOptionsInForce(kernel, {}), IsEmpty()) << "what is not said is left as it is";
}

} // namespace
} // namespace vfiobind::module_options_test
