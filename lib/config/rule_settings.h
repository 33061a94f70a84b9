// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the reading of the files hands to the check for contradictions: rules with the places they came from.
#pragma once

#include "config/config.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// The keys that [defaults] and [[bind]] have in common; unset is "not said here".
struct RuleSettings {
    std::optional<std::string> driver;
    std::optional<Method> method;
    std::optional<std::vector<std::string>> allow;
    std::optional<NodeAccess> node;
    std::optional<bool> keep;
    std::optional<When> when;
    std::optional<GiveBack> giveBack;
    std::optional<std::chrono::milliseconds> timeout;

    /// Takes over what the other says, key by key: lists and tables are replaced, not merged.
    void overrideWith(const RuleSettings& other);
    /// Writes what is said here into the rule.
    void applyTo(Rule& rule) const;
};

/// A [[bind]] table as it was read, before the defaults are known.
struct RuleText {
    std::string name; ///< empty where it is missing or wrong
    SourceLocation nameWhere;
    std::vector<Selector> devices;
    std::vector<SourceLocation> deviceWhere; ///< of each of the devices
    std::optional<std::vector<Selector>> members;
    std::optional<unsigned> count;
    unsigned sriovVfs = 0;
    std::vector<std::string> pauseUnits;
    RuleSettings settings;
    SourceLocation where;

    Rule toRule(const RuleSettings& defaults) const;
};

/// Rules that cannot both be meant: two of one name (case 64), or two of which one claims all that a selector
/// of the other names, which the text alone shows (case 61). Each error stands at the later place and names
/// the earlier.
std::vector<ConfigError> findContradictions(const std::vector<RuleText>& rules);

} // namespace vfiobind
