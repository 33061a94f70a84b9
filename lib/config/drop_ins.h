// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which files the configuration is made of, in which order: the folders of drop-ins, as systemd's are.
#pragma once

#include "config/config.h"

#include <string>
#include <vector>

namespace vfiobind {

struct DropIns {
    std::vector<std::string> files;  ///< in the order in which they are read: by name, over all folders
    std::vector<std::string> masked; ///< links to /dev/null, each in the place of files of its name
    std::vector<ConfigError> errors; ///< folders that cannot be listed
};

/// The folders below the root that the main file belongs to, in ascending order of what takes whose place:
/// /usr/lib/vfio-bind.d, /run/vfio-bind.d, /etc/vfio-bind.d. For a main file that is in no folder `etc`, its
/// own folder of drop-ins alone.
std::vector<std::string> dropInFolders(const std::string& mainFile);

/// The root of a main file in a folder `etc`: `/x` of `/x/etc/vfio-bind.toml`; empty for the machine's own,
/// and for a main file elsewhere.
std::string rootOf(const std::string& mainFile);

/// The drop-ins of all folders. A file in a later folder takes the place of one of its name in an earlier
/// one. Hidden files are editors' and package managers' own.
DropIns listDropIns(const std::string& mainFile);

/// Of a file or folder that cannot be read.
ConfigError cannotRead(const std::string& path, int code);

} // namespace vfiobind
