// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/module_aliases.h"

#include <gtest/gtest.h>

namespace vfiobind {
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

} // namespace
} // namespace vfiobind
