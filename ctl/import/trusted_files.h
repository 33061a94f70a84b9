// SPDX-License-Identifier: LGPL-2.1-or-later
/// Files that others may have put there, as root may read them.
#pragma once

#include "sysfs/sysfs.h"

#include <optional>
#include <set>
#include <string>
#include <sys/types.h>

namespace vfiobind::ctl {

/// The files below a root directory. Links are followed within it. A file is read only if it is a regular one
/// and no longer than the limit, if it and its folder belong to root, to oneadmin or to whom this runs as,
/// and if not everybody may write to them: import makes rules of it, and root puts these in force. Nothing
/// else is ever opened, so that no pipe and no device can block or be set going. Files of proc(5) and
/// sysfs(5) are the kernel's.
class TrustedFiles final : public Sysfs {
public:
    explicit TrustedFiles(std::string root);

    SysResult<std::string> read(const std::string& path, std::size_t limit = 65536) const override;
    /// EROFS: nothing is written.
    SysResult<void> write(const std::string& path, std::string_view data) override;
    SysResult<std::vector<std::string>> list(const std::string& path) const override;
    SysResult<std::vector<std::string>> folders(const std::string& path) const override;
    SysResult<std::string> link(const std::string& path) const override;
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override;
    /// EPERM: no device is opened.
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber& number) const override;
    bool exists(const std::string& path) const override;

private:
    bool believed(uid_t owner, mode_t mode) const;

    std::string root_;
    std::set<uid_t> owners_;
};

/// The sentence for an error that is TrustedFiles' own decision; nothing for the kernel's.
std::optional<std::string> whyNotOpened(const SysError& error);

} // namespace vfiobind::ctl
