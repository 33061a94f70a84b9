// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/module_aliases.h"

#include "sysfs/write_file.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

namespace vfiobind::module_aliases_test {
namespace {

constexpr std::string_view aliases = "# Aliases extracted from modules themselves.\n"
                                     "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
                                     "alias vfio_pci:v000015B3d*sv*sd*bc*sc*i* other_vfio_pci\n"
                                     "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n"
                                     "alias pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core\n"
                                     "alias of:x,alias vfio_pci:v*d*sv*sd*bc*sc*i* no_line_of_its_own\n"
                                     "alias vfio_pci:v000010DEd*sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci";

TEST(VariantModule, IsTheOneWithTheFewestWildcards) {
    EXPECT_EQ(VariantModules(aliases).of({.vendor = 0x15b3, .device = 0x101e}), "mlx5_vfio_pci");
    EXPECT_EQ(VariantModules(aliases).of({.vendor = 0x15b3, .device = 0x1019}), "other_vfio_pci");
    EXPECT_EQ(VariantModules(aliases).of({.vendor = 0x10de, .device = 0x2342}), "nvgrace_gpu_vfio_pci");
}

TEST(VariantModule, IsVfioPciWhereNoneFits) {
    EXPECT_EQ(VariantModules(aliases).of({.vendor = 0x8086, .device = 0x10d3}), "vfio-pci");
    EXPECT_EQ(VariantModules("").of({.vendor = 0x15b3, .device = 0x101e}), "vfio-pci");
}

class VariantModuleFile : public testing::Test {
protected:
    VariantModuleFile() {
        std::string name = testing::TempDir() + "vfio-bind-aliases-XXXXXX";
        if (mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("mkdtemp " + name);
        folder_ = name;
    }
    ~VariantModuleFile() override { std::filesystem::remove_all(folder_); }

    std::string folder_;
};

TEST_F(VariantModuleFile, IsReadAsTheTextIs) {
    const auto path = folder_ + "/modules.alias";
    ASSERT_TRUE(writeFileAtomically(path, std::string(aliases), 0644));
    const auto variants = VariantModules::ofFile(path);
    ASSERT_TRUE(variants) << variants.error().str();
    EXPECT_EQ(variants->of({.vendor = 0x15b3, .device = 0x101e}), "mlx5_vfio_pci");
}

TEST_F(VariantModuleFile, IsNotThereForAKernelWithoutModules) {
    ASSERT_TRUE(writeFileAtomically(folder_ + "/empty", "", 0644));
    for (const auto* name : {"/missing", "/empty"}) {
        const auto variants = VariantModules::ofFile(folder_ + name);
        ASSERT_TRUE(variants) << variants.error().str();
        EXPECT_EQ(variants->of({.vendor = 0x15b3, .device = 0x101e}), "vfio-pci");
    }
}

TEST_F(VariantModuleFile, ThatCannotBeReadIsAnError) {
    const auto variants = VariantModules::ofFile(folder_);
    ASSERT_FALSE(variants);
    EXPECT_EQ(variants.error().str(), "mmap " + folder_ + ": ENODEV (No such device)");
}

} // namespace
} // namespace vfiobind::module_aliases_test
