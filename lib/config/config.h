// SPDX-License-Identifier: LGPL-2.1-or-later
/// Reads `/etc/vfio-bind.toml` and `/etc/vfio-bind.d/*.toml` into a Policy (vfio-bind.toml(5)).
#pragma once

#include "config/policy.h"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

struct ConfigError {
    SourceLocation where;
    std::string what;        ///< what is wrong, and what would be right
    std::string str() const; ///< `file:line:column: what`
};

/// All errors of all files, one a line.
std::string str(const std::vector<ConfigError>& errors);

/// A file's name and content.
struct ConfigText {
    std::string file;
    std::string content;
};

/// Reads texts in order: the main file first, then drop-ins. Pure; what the file system is needed for,
/// loadPolicy does.
std::expected<Policy, std::vector<ConfigError>> parsePolicy(const std::vector<ConfigText>& texts);

/// What the files held when they were read, and which could not be.
struct ConfigTexts {
    std::vector<ConfigText> texts; ///< in order
    std::vector<ConfigError> errors;
};

/// Reads the files of loadPolicy() without parsing them.
ConfigTexts readConfigTexts(const std::string& mainFile);
/// The same as loadPolicy(), of files that were read before.
std::expected<Policy, std::vector<ConfigError>> parsePolicy(ConfigTexts read);
/// Puts a drop-in where its name belongs, in the place of one of the same name.
void addDropIn(std::vector<ConfigText>& texts, ConfigText dropIn);

/// Reads the main file and every `*.toml` of the drop-in directory in order of name. The directory is the
/// main file's path with `.toml` replaced by `.d` (`/etc/vfio-bind.d`). A missing main file or directory is
/// no error: the policy then has no rules (case 63). A file that cannot be read is one, with path and errno.
std::expected<Policy, std::vector<ConfigError>> loadPolicy(const std::string& mainFile);
/// The same as if there were one more drop-in.
std::expected<Policy, std::vector<ConfigError>> loadPolicyWith(const std::string& mainFile,
                                                               ConfigText dropIn);

/// What the configuration is made of: the main file, the drop-in directory, which changes where a drop-in
/// goes, and the drop-ins. They need not be there.
std::vector<std::string> configFiles(const std::string& mainFile);

/// The drop-in directory that belongs to a main file.
std::string dropInDirectory(const std::string& mainFile);

} // namespace vfiobind
