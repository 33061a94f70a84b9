// SPDX-License-Identifier: LGPL-2.1-or-later
/// Reads `/etc/vfio-bind.toml` and `/etc/vfio-bind.d/*.toml` into a Policy (vfio-bind.toml(5)).
#pragma once

#include "config/host_facts.h"
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

/// Reads texts in order: the main file first, then drop-ins. A text whose `[match]` does not hold for these
/// facts counts as absent, its errors too, and stands in Policy::unmatched. Where the facts say that all
/// stands back, the policy has no rules and no module options, and Policy::standsBack says why; errors are
/// errors all the same. Pure; what the file system is needed for, loadPolicy does.
std::expected<Policy, std::vector<ConfigError>> parsePolicy(const std::vector<ConfigText>& texts,
                                                            const HostFacts& facts = {});

/// What the files held when they were read, and which could not be.
struct ConfigTexts {
    std::vector<ConfigText> texts; ///< in order
    std::vector<ConfigError> errors;
    std::vector<std::string> masked; ///< as Policy::masked
    HostFacts facts;                 ///< for `[match]` and `vfio_bind=off`
};

/// Reads the files of loadPolicy() without parsing them.
ConfigTexts readConfigTexts(const std::string& mainFile);
/// The same as loadPolicy(), of files that were read before.
std::expected<Policy, std::vector<ConfigError>> parsePolicy(ConfigTexts read);
/// Puts a drop-in where its name belongs, in the place of one of the same name.
void addDropIn(std::vector<ConfigText>& texts, ConfigText dropIn);

/// Reads the main file and every `*.toml` of the folders of drop-ins in order of name over all folders:
/// /usr/lib/vfio-bind.d, /run/vfio-bind.d and /etc/vfio-bind.d. A file of the same name in a later folder
/// takes the place of the earlier one; a link to /dev/null masks it and stands in Policy::masked. A missing
/// main file or folder is no error: the policy then has no rules (case 63). A file that cannot be read is
/// one, with path and errno. For a main file `/x/etc/vfio-bind.toml` the folders are those below `/x`; for
/// one that is in no folder `etc`, its own folder alone, `.d` for `.toml`. The facts are read from where the
/// files are.
std::expected<Policy, std::vector<ConfigError>> loadPolicy(const std::string& mainFile);
/// The same with facts that the caller knows.
std::expected<Policy, std::vector<ConfigError>> loadPolicy(const std::string& mainFile,
                                                           const HostFacts& facts);
/// The same as if there were one more drop-in.
std::expected<Policy, std::vector<ConfigError>> loadPolicyWith(const std::string& mainFile,
                                                               ConfigText dropIn);

/// What the configuration is made of: the main file, the folders of drop-ins, which change where a drop-in
/// goes, and the drop-ins. They need not be there.
std::vector<std::string> configFiles(const std::string& mainFile);

/// The folder of the administrator's drop-ins that belongs to a main file: /etc/vfio-bind.d.
std::string dropInDirectory(const std::string& mainFile);

} // namespace vfiobind
