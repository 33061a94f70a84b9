// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the sources of vfio-bindctl import say.
#pragma once

#include "config/policy.h"
#include "pci/selector.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

#include <algorithm>
#include <compare>
#include <functional>
#include <string>
#include <vector>

namespace vfiobind::ctl {

/// std::ranges::contains, which GCC 12 has not.
template <typename Range, typename T, typename Projection = std::identity>
bool has(const Range& range, const T& value, Projection projection = {}) {
    return std::ranges::find(range, value, projection) != std::ranges::end(range);
}

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
    std::string name;   ///< for the rule
    bool asked = false; ///< another program takes it when its VM starts: nothing is bound at boot
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

/// In which order the kernel is given `ids=` of a module: what comes later takes the place of what was
/// before.
enum class IdsFrom { modprobe, commandLine, initramfs };

/// One `ids=`. Only the last one of a module counts.
struct IdList {
    std::string module; ///< `vfio_pci`, `pci_stub`
    IdsFrom from = IdsFrom::modprobe;
    Place place;
    std::vector<Claim> claims;
    std::vector<Removable> removable; ///< can go if all of the list is in a rule
};

/// Native drivers that a line keeps off. They are not needed any more where they are those of a claimed
/// device.
struct KeptOffLine {
    std::vector<std::string> modules;
    Removable whole;        ///< if all of them can go
    std::string howForSome; ///< for some of a list
};

struct Found {
    std::vector<Claim> claims;
    std::vector<IdList> idLists;
    std::vector<ImportedOption> options;
    std::vector<Removable> removable;
    std::vector<Removable> company; ///< lines about VFIO itself: not needed where there is a rule at all
    std::vector<KeptOffLine> keptOff;
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

/// Without blanks, tabs and carriage returns at both ends.
std::string trimmed(std::string_view text);
/// A rule's name: letters, digits, `-` and `_`; others become `-`.
std::string ruleName(const std::string& text, const char* without);
/// Whether it can be a driver's name in the configuration.
bool isDriverName(std::string_view text);

/// The functions of a card that is named without one, `0000:01:00`: those that the machine has, else the
/// first.
std::vector<Address> functionsOf(const Topology& topology, Address card);

/// Whether it is one of the modules that guides have their readers load for VFIO.
bool isVfioModule(std::string_view module);

} // namespace vfiobind::ctl
