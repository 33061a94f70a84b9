// SPDX-License-Identifier: LGPL-2.1-or-later
#include "modules/module_state.h"

#include "fake/fake_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::module_state_test {
namespace {

using testing::HasSubstr;

FakeKernel kernelWithModules() {
    FakeKernel kernel;
    kernel.putFile("/proc/sys/kernel/osrelease", "6.1.0-1\n");
    kernel.putFile("/lib/modules/6.1.0-1/modules.builtin", "kernel/drivers/vfio/vfio_iommu_type1.ko\n");
    kernel.putFile("/lib/modules/6.1.0-1/modules.dep", "kernel/drivers/vfio/pci/vfio-pci.ko.zst: x.ko\n");
    return kernel;
}

ModuleState stateOf(const FakeKernel& kernel, const std::string& name) {
    return moduleVerdict(kernel, name).state;
}

// case 19
TEST(ModuleState, TellsTheCasesApart) {
    auto kernel = kernelWithModules();
    EXPECT_EQ(stateOf(kernel, "vfio-pci"), ModuleState::installed);
    EXPECT_TRUE(moduleVerdict(kernel, "vfio_pci").loadable());
    EXPECT_EQ(stateOf(kernel, "vfio_iommu_type1"), ModuleState::builtIn);
    EXPECT_EQ(stateOf(kernel, "mlx5_vfio_pci"), ModuleState::absent);
    EXPECT_EQ(stateOf(kernel, "../x"), ModuleState::noName);
    EXPECT_EQ(stateOf(kernel, std::string(56, 'a')), ModuleState::noName);
}

TEST(ModuleState, AScriptInItsPlaceKeepsItOff) {
    auto kernel = kernelWithModules();
    kernel.putFile("/etc/modprobe.d/vfio.conf", "\ninstall vfio-pci /usr/local/bin/vfio-pci-override.sh\n");
    const auto verdict = moduleVerdict(kernel, "vfio-pci");
    EXPECT_EQ(verdict.state, ModuleState::replaced);
    EXPECT_EQ(verdict.sentence, "vfio_pci is kept off (/etc/modprobe.d/vfio.conf:2: install vfio-pci "
                                "/usr/local/bin/vfio-pci-override.sh)");
    EXPECT_FALSE(verdict.loadable());
}

// modprobe@.service has modprobe heed blacklists (-b).
TEST(ModuleState, ABlacklistKeepsItOff) {
    auto kernel = kernelWithModules();
    kernel.putFile("/etc/modprobe.d/vfio.conf", "blacklist vfio-pci\n");
    EXPECT_EQ(stateOf(kernel, "vfio_pci"), ModuleState::keptOff);
    kernel.dropPath("/etc/modprobe.d/vfio.conf");
    kernel.putFile("/proc/cmdline", "quiet module_blacklist=a,vfio-pci\n");
    EXPECT_THAT(moduleVerdict(kernel, "vfio_pci").sentence, HasSubstr("module_blacklist= of the kernel's"));
}

TEST(ModuleState, ANativeDriverWithACommandThatLoadsItIsNotKeptOff) {
    const auto lines =
        readModprobeFile("f", "install nouveau /sbin/modprobe -i nouveau\ninstall a /bin/true\n");
    EXPECT_FALSE(keptOff(lines, {}, "nouveau"));
    EXPECT_TRUE(keptOff(lines, {}, "a"));
}

} // namespace
} // namespace vfiobind::module_state_test
