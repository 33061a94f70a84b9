// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/shell.h"
#include "import/sources.h"

#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

/// Whether all of it was understood, so that it can go.
bool readDevices(const std::string& path, const Assignment& assignment, Found& found) {
    const Place place{path, assignment.line};
    bool whole = true;
    for (const auto& word : assignment.words) {
        const auto address = Address::parse(word);
        if (address)
            found.claims.push_back({.selector = {.address = *address}, .place = place, .name = "sysconfig"});
        else
            found.warnings.push_back({place, address.error() + "; it is left out"});
        whole = whole && address;
    }
    return whole;
}

/// A shell takes the last `DEVICES=`, and what `+=` adds to it.
bool readFile(const std::string& path, const std::vector<Assignment>& all, Found& found) {
    std::vector<const Assignment*> inForce;
    for (const auto& assignment : all) {
        if (assignment.name != "DEVICES")
            continue;
        if (!assignment.added) {
            for (const auto* before : inForce)
                found.warnings.push_back(
                    {{path, before->line},
                     fmt::format(
                         "this has no effect: DEVICES= is set anew in line {}, and the last one counts",
                         assignment.line)});
            inForce.clear();
        }
        inForce.push_back(&assignment);
    }
    bool whole = !inForce.empty();
    for (const auto* assignment : inForce) {
        const bool understood = readDevices(path, *assignment, found);
        if (understood)
            found.removable.push_back({{path, assignment->line}, "DEVICES=", "remove the file"});
        whole = whole && understood && !assignment->words.empty();
    }
    return whole;
}

} // namespace

Found importSysconfig(const ImportContext& context) {
    Found found;
    bool whole = false;
    for (const std::string path : {"/etc/sysconfig/vfio-bind", "/etc/default/vfio-bind"}) {
        const auto text = readShell(readSource(context.sysfs, path, found));
        if (text.openQuote != 0)
            found.warnings.push_back({{path, text.openQuote}, "the quote that begins here has no end"});
        whole = readFile(path, text.assignments, found) || whole;
    }
    constexpr const char* script = "/usr/local/bin/vfio-bind";
    if (whole && context.sysfs.exists(script))
        found.removable.push_back({{script, 0}, "the script that binds them", "remove it"});
    constexpr const char* unit = "/etc/systemd/system/vfio-bind.service";
    if (whole && context.sysfs.exists(unit))
        found.removable.push_back({{unit, 0},
                                   "the unit that starts the script, which hides the package's",
                                   "remove it, then systemctl daemon-reload"});
    return found;
}

} // namespace vfiobind::ctl
