// SPDX-License-Identifier: LGPL-2.1-or-later
/// Files with what a program prints, as it was reviewed.
#pragma once

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

namespace vfiobind {

/// The text is that of tests/golden/NAME. With VFIO_BIND_WRITE_GOLDEN in the environment the file is written
/// first: then read what `git diff` shows.
inline void expectGolden(const std::string& name, const std::string& text) {
    const auto path = VFIO_BIND_SOURCE_DIR "/tests/golden/" + name;
    if (std::getenv("VFIO_BIND_WRITE_GOLDEN") != nullptr)
        std::ofstream(path) << text;
    std::ifstream file(path);
    ASSERT_TRUE(file) << "there is no " << path;
    std::ostringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(text, golden.str()) << path;
}

} // namespace vfiobind
