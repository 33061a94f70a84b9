// SPDX-License-Identifier: LGPL-2.1-or-later
/// The seam to the fake kernel as it is, for tests that change one thing about it.
#pragma once

#include "fake/fake_kernel.h"

namespace vfiobind {

/// Hands everything on.
class KernelSeam : public Sysfs {
public:
    explicit KernelSeam(FakeKernel& kernel) : kernel_(kernel) {}
    SysResult<std::string> read(const std::string& path, std::size_t limit) const override {
        return kernel_.read(path, limit);
    }
    SysResult<void> write(const std::string& path, std::string_view data) override {
        return kernel_.write(path, data);
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

protected:
    FakeKernel& kernel_;
};

} // namespace vfiobind
