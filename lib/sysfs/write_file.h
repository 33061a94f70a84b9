// SPDX-License-Identifier: LGPL-2.1-or-later
/// Files of our own, as opposed to the kernel's: replaced whole.
#pragma once

#include "sysfs/sysfs.h"

#include <string>
#include <string_view>

namespace vfiobind {

/// Writes beside the path and renames, so that a reader sees the old content or the new. Makes the last
/// directory where it is missing. Where it fails, the old content is there still, and nothing beside it.
SysResult<void> writeFileAtomically(const std::string& path, std::string_view content, unsigned mode);
/// The same, where readers of the directory would take `path.new` for one of theirs: `beside` is in the same
/// directory.
SysResult<void> writeFileAtomically(const std::string& path, std::string_view content, unsigned mode,
                                    const std::string& beside);
/// The same, and it is on the disk when it returns: file before the rename, directory after it (fsync(2)).
SysResult<void> writeFileDurably(const std::string& path, std::string_view content, unsigned mode);
/// Removes a file, durably. One that is not there is no error.
SysResult<void> removeFileDurably(const std::string& path);

} // namespace vfiobind
