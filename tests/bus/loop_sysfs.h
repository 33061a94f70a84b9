// SPDX-License-Identifier: LGPL-2.1-or-later
/// The event loop's own view of the fake kernel. The loop must neither write nor read a file that can block
/// (design decision 2, case 37): where it does, that is noted, and each test looks that nothing was.
#pragma once

#include "fake/fake_kernel.h"

#include <cerrno>
#include <string>
#include <vector>

namespace vfiobind {

class LoopSysfs final : public Sysfs {
public:
    explicit LoopSysfs(FakeKernel& kernel) : kernel_(kernel) {}

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
    SysResult<std::vector<std::string>> list(const std::string& path) const override {
        return kernel_.list(path);
    }
    SysResult<std::string> link(const std::string& path) const override { return kernel_.link(path); }
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override {
        return kernel_.node(path);
    }
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber& number) const override {
        return kernel_.openExclusively(path, number);
    }
    bool exists(const std::string& path) const override { return kernel_.exists(path); }

private:
    FakeKernel& kernel_;
    mutable std::vector<std::string> violations_;
};

} // namespace vfiobind
