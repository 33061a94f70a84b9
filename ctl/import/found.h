// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the sources of vfio-bindctl import say.
#pragma once

#include "config/policy.h"
#include "pci/selector.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

#include <compare>
#include <functional>
#include <string>
#include <vector>

namespace vfiobind::ctl {

struct Place {
    std::string file;
    unsigned line = 0; ///< from 1; 0 where there is none to name
    auto operator<=>(const Place&) const = default;
    std::string str() const; ///< `file:line`
};

/// A device, or all of a kind, that is to be with VFIO.
struct Claim {
    Selector selector;
    std::string driver = "auto";
    Place place;
    std::string name; ///< for the rule
};

struct ImportedOption {
    std::string key; ///< in `[vfio-pci]`
    bool value = false;
    Place place;
};

/// What is not needed any more once the rules are in force, and what to do with it.
struct Removable {
    Place place;
    std::string what; ///< the line, or the part of it
    std::string how;
};

struct Warning {
    Place place;
    std::string sentence;
    std::string str() const;
};

struct Found {
    std::vector<Claim> claims;
    std::vector<ImportedOption> options;
    std::vector<Removable> removable;
    std::vector<Warning> warnings;
};

/// What a source may need of the machine besides its own files.
struct ImportContext {
    const Sysfs& sysfs;
    const Topology& topology; ///< empty where it cannot be read
    std::function<std::string(const Ids&)> name;
};

/// A line of a file.
struct TextLine {
    Place place;
    std::string text;
};

/// The file's content; empty where it is not there. That it cannot be read is a warning.
std::string readSource(const Sysfs& sysfs, const std::string& path, Found& found);
std::vector<TextLine> linesOf(const std::string& path, const std::string& content);
/// The names in a directory, with the same warning.
std::vector<std::string> listSource(const Sysfs& sysfs, const std::string& path, Found& found);
void warnUnreadable(const SysError& error, Found& found);

/// `options vfio-pci WORD` or `vfio-pci.WORD`: the devices and options that it means. Whether all of it was
/// understood, so that it can go.
bool readModuleWord(const std::string& module, const std::string& word, const Place& place,
                    const std::string& name, Found& found);

/// One entry of vfio-pci's `ids=`, `vendor:device[:subvendor[:subdevice[:class[:mask]]]]`
/// (drivers/vfio/pci/vfio_pci.c, vfio_pci_fill_ids).
std::expected<Selector, std::string> parseVfioId(std::string_view text);

/// Whether it is one of the modules that guides have their readers load for VFIO.
bool isVfioModule(std::string_view module);
/// Whether it is a native driver that guides have their readers keep off.
bool isKeptOffByGuides(std::string_view module);

} // namespace vfiobind::ctl
