// SPDX-License-Identifier: LGPL-2.1-or-later
/// From what the sources say to rules.
#pragma once

#include "import/found.h"

#include <map>
#include <set>

namespace vfiobind::ctl {

struct ImportedDevice {
    Selector selector;
    std::vector<Place> places; ///< all that name it
};

struct ImportedRule {
    std::string name;
    std::string driver;
    std::vector<ImportedDevice> devices;
    bool asked = true; ///< `when = "asked"`: nobody wants any of it at boot
};

struct ImportedRules {
    std::vector<ImportedRule> rules;
    std::map<std::string, ImportedOption> options; ///< by key; the last one counts
    std::map<std::string, std::vector<Place>> optionPlaces;
    std::vector<Warning> warnings;
};

/// What one file names is one rule. Files that name the same device, or devices of one IOMMU group, share a
/// rule: a device belongs to one rule only. An address gets the id of the card that is there now. No rule
/// gets a name that is taken.
ImportedRules makeRules(const Found& found, const Topology& topology, const std::set<std::string>& taken);

} // namespace vfiobind::ctl
