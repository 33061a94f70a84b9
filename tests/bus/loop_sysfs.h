// SPDX-License-Identifier: LGPL-2.1-or-later
/// The event loop's own view of the fake kernel. The loop must neither write nor read a file that can block
/// (design decision 2, case 37): where it does, that is noted, and each test looks that nothing was.
#pragma once

#include "fake/kernel_seam.h"

#include <cerrno>
#include <string>
#include <vector>

namespace vfiobind {

class LoopSysfs final : public KernelSeam {
public:
    using KernelSeam::KernelSeam;

    const std::vector<std::string>& violations() const { return violations_; }

    SysResult<std::string> read(const std::string& path, std::size_t limit) const override {
        const auto locked = kernel_.lockedReads().size();
        try {
            auto content = kernel_.read(path, limit);
            if (kernel_.lockedReads().size() != locked)
                violations_.push_back("read, which can block: " + path);
            return content;
        } catch (const FakeKernel::Hung&) {
            violations_.push_back("read, and would have hung: " + path);
            return std::unexpected(SysError{"read", path, EIO});
        }
    }
    SysResult<void> write(const std::string& path, std::string_view data) override {
        violations_.push_back("write: " + path + " <- " + std::string(data));
        return std::unexpected(SysError{"write", path, EROFS});
    }

private:
    mutable std::vector<std::string> violations_;
};

} // namespace vfiobind
