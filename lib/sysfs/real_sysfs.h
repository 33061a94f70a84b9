// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sysfs/sysfs.h"

namespace vfiobind {

/// The kernel's files, below a root directory (empty for the real ones; a copy of a tree in benchmarks).
class RealSysfs final : public Sysfs {
public:
    explicit RealSysfs(std::string root = {}) : root_(std::move(root)) {}

    SysResult<std::string> read(const std::string& path, std::size_t limit = 65536) const override;
    SysResult<void> write(const std::string& path, std::string_view data) override;
    SysResult<std::vector<std::string>> list(const std::string& path) const override;
    SysResult<std::string> link(const std::string& path) const override;
    SysResult<std::vector<std::pair<std::string, std::string>>> links(const std::string& path) const override;
    SysResult<std::vector<std::string>> folders(const std::string& path) const override;
    SysResult<std::size_t> countedFolders(const std::string& path) const override;
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override;
    SysResult<std::vector<DeviceNumber>> nodes(const std::string& path) const override;
    bool shareDescriptors(unsigned thread, unsigned other) const override;
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber& number) const override;
    bool exists(const std::string& path) const override;
    SysResult<std::string> netlinkDump(std::uint16_t request, std::uint8_t family) const override;

private:
    std::string root_;
};

} // namespace vfiobind
