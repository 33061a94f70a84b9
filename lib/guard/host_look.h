// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the guards ask of the host as a whole, and not of a group: its programs, mounts, swaps, routes, the
/// members of its device classes. For groups that are looked at together it is read once.
#pragma once

#include "guard/processes.h"
#include "sysfs/sysfs.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vfiobind {

/// Files that are the same for all groups are read once; all others each time.
class HostFiles final : public Sysfs {
public:
    explicit HostFiles(const Sysfs& sysfs) : sysfs_(sysfs) {}
    SysResult<std::string> read(const std::string& path, std::size_t limit) const override;
    /// Guards only look: EROFS.
    SysResult<void> write(const std::string& path, std::string_view data) override;
    SysResult<std::vector<std::string>> list(const std::string& path) const override;
    SysResult<std::string> link(const std::string& path) const override { return sysfs_.link(path); }
    SysResult<std::vector<std::pair<std::string, std::string>>> links(const std::string& path) const override;
    SysResult<std::vector<std::string>> folders(const std::string& path) const override {
        return sysfs_.folders(path);
    }
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override {
        return sysfs_.node(path);
    }
    SysResult<std::size_t> countedFolders(const std::string& path) const override {
        return sysfs_.countedFolders(path);
    }
    SysResult<std::vector<DeviceNumber>> nodes(const std::string& path) const override {
        return sysfs_.nodes(path);
    }
    bool shareDescriptors(unsigned thread, unsigned other) const override {
        return sysfs_.shareDescriptors(thread, other);
    }
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber& number) const override {
        return sysfs_.openExclusively(path, number);
    }
    bool exists(const std::string& path) const override { return sysfs_.exists(path); }
    SysResult<std::string> netlinkDump(std::uint16_t request, std::uint8_t family) const override;

    /// Reads again what has been asked for.
    void again();

private:
    const Sysfs& sysfs_;
    template <typename Key, typename Value>
    using Known = std::map<Key, SysResult<Value>>;
    mutable Known<std::pair<std::string, std::size_t>, std::string> read_; ///< by path and limit
    mutable Known<std::string, std::vector<std::string>> listed_;
    mutable Known<std::string, std::vector<std::pair<std::string, std::string>>> linked_;
    mutable Known<std::pair<std::uint16_t, std::uint8_t>, std::string> dumped_; ///< by request and family
};

class HostLook {
public:
    explicit HostLook(const Sysfs& sysfs) : files_(sysfs), programs_(sysfs) {}
    HostLook(const HostLook&) = delete;
    HostLook& operator=(const HostLook&) = delete;

    const Sysfs& files() const { return files_; }
    Programs& programs() { return programs_; }

    /// Reads again what has been asked for, so that a process forked for each group finds it as it is now.
    void again();

private:
    HostFiles files_;
    Programs programs_;
};

} // namespace vfiobind
