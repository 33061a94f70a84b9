// SPDX-License-Identifier: LGPL-2.1-or-later
/// The files below /run by which udev and modprobe know the policy.
#pragma once

#include "rules/node_imports.h"
#include "sysfs/sysfs.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// By which vfio-bind-watch knows what to do; in the state directory.
inline constexpr std::string_view overridesDirectory = "/run/vfio-bind";
inline constexpr std::string_view overridesFile = "overrides.json";

/// What the files are to hold. An empty text is no file.
struct RuleTexts {
    std::string udevRules;
    std::string overrides; ///< the same as overridesToJson() has them
    NodeImports nodeImports;
    std::string moduleOptions;
    bool operator==(const RuleTexts&) const = default;
};

struct RuleFilesChange {
    bool udevRules = false;      ///< whether udev's file came, changed or went
    bool overridesThere = false; ///< whether there is one now for vfio-bind-watch
    std::vector<SysError> errors;
};

/// `/run/udev/rules.d/10-vfio-bind.rules`, `/run/vfio-bind/overrides.json`, `/run/vfio-bind/groups/N`,
/// `/run/vfio-bind/devices/ADDRESS`, `/run/modprobe.d/vfio-bind.conf`, below a root directory (empty for the
/// real ones).
class RuleFiles {
public:
    explicit RuleFiles(std::string root = {}) : root_(std::move(root)) {}

    /// Brings the files to the texts: writes those that differ, atomically, and removes those that are not
    /// wanted.
    RuleFilesChange apply(const RuleTexts& texts);
    /// Brings the module options alone: they are read when a module is loaded, before the rest can be known.
    RuleFilesChange applyModuleOptions(const std::string& text);

private:
    /// Brings a directory that is the daemon's own to the texts, by name of file.
    void bringAll(std::string_view directory, std::map<std::string, std::string> texts,
                  RuleFilesChange& change);
    bool bring(const std::string& path, const std::string& text, RuleFilesChange& change);
    std::string root_;
};

} // namespace vfiobind
