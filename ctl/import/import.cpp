// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/import.h"

#include "config/config.h"
#include "import/render.h"
#include "import/rules.h"
#include "import/settle.h"
#include "import/sources.h"
#include "import/trusted_files.h"
#include "json.h"
#include "names/names.h"
#include "output.h"
#include "pci/text.h"
#include "plan/wanted.h"
#include "sysfs/write_file.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace vfiobind::ctl {
namespace {

template <typename T>
void append(std::vector<T>& all, std::vector<T> more) {
    std::ranges::move(more, std::back_inserter(all));
}

/// Devices and kinds of them that a source names, each once.
std::size_t devicesIn(const Found& found) {
    std::set<std::string> names;
    for (const auto& claim : found.claims)
        names.insert(claim.selector.str());
    for (const auto& list : found.idLists)
        for (const auto& claim : list.claims)
            names.insert(claim.selector.str());
    return names.size();
}

/// What is wrong with the file as a drop-in of the present configuration; empty if nothing is.
std::string objections(const std::string& config, const std::string& path, const std::string& toml,
                       const Topology& topology) {
    const auto policy = loadPolicyWith(config, {path, toml});
    if (!policy)
        return str(policy.error());
    return str(contradictions(*policy, topology));
}

void tell(const Imported& imported) {
    for (const auto& warning : imported.warnings)
        complain(warning.str());
    if (imported.toml.empty())
        complain("there is no device to import");
    if (const auto text = renderRemovable(imported.removable); !text.empty())
        complain(text);
    complain(renderLooked(imported.looked));
}

ExitCode fail(const Options& options, const std::string& message) {
    if (options.json)
        printLine(errorJson("", message));
    complain(message);
    return ExitCode::failed;
}

std::set<std::string> ruleNames(const std::string& config) {
    std::set<std::string> names;
    if (const auto policy = loadPolicy(config)) // what is wrong with it is told when the whole is read
        for (const auto& rule : policy->rules)
            names.insert(rule.name);
    return names;
}

} // namespace

Imported importFrom(const ImportContext& context, const std::vector<std::string>& names,
                    const std::set<std::string>& taken) {
    Found all;
    std::vector<LookedAt> looked;
    for (const auto& source : importSources) {
        if (!names.empty() && std::ranges::find(names, source.name) == names.end())
            continue;
        auto found = source.read(context);
        looked.push_back(
            {std::string(source.name), std::string(source.places), devicesIn(found), found.warnings.size()});
        append(all.claims, std::move(found.claims));
        append(all.idLists, std::move(found.idLists));
        append(all.options, std::move(found.options));
        append(all.removable, std::move(found.removable));
        append(all.company, std::move(found.company));
        append(all.keptOff, std::move(found.keptOff));
        append(all.warnings, std::move(found.warnings));
    }
    settle(context, all);
    auto made = makeRules(all, context.topology, taken);
    append(all.warnings, std::move(made.warnings));
    return {renderToml(made, context), std::move(all.removable), std::move(all.warnings), std::move(looked)};
}

std::string renderRemovable(const std::vector<Removable>& removable) {
    if (removable.empty())
        return {};
    std::string text = "once the rules are in force, this is no longer needed:";
    for (const auto& one : removable)
        text += fmt::format("\n{}: {}: {}", one.place.str(), printable(one.what), one.how);
    return text;
}

std::string renderLooked(const std::vector<LookedAt>& looked) {
    std::string text = "this was looked at:";
    for (const auto& one : looked) {
        std::string came = one.devices == 1 ? "1 device" : fmt::format("{} devices", one.devices);
        if (one.devices == 0)
            came = one.warnings == 0 ? "nothing" : "no device";
        if (one.warnings != 0)
            came += fmt::format(", {} warning{} above", one.warnings, one.warnings == 1 ? "" : "s");
        text += fmt::format("\n{} ({}): {}", one.name, one.places, came);
    }
    return text;
}

std::string importedJson(const Imported& imported, const std::string& written) {
    auto warnings = nlohmann::ordered_json::array();
    for (const auto& warning : imported.warnings)
        warnings.push_back(
            {{"file", warning.place.file}, {"line", warning.place.line}, {"sentence", warning.sentence}});
    auto removable = nlohmann::ordered_json::array();
    for (const auto& one : imported.removable)
        removable.push_back(
            {{"file", one.place.file}, {"line", one.place.line}, {"what", one.what}, {"how", one.how}});
    auto looked = nlohmann::ordered_json::array();
    for (const auto& one : imported.looked)
        looked.push_back({{"source", one.name},
                          {"places", one.places},
                          {"devices", one.devices},
                          {"warnings", one.warnings}});
    return dumpLine({{"toml", imported.toml},
                     {"written", written},
                     {"warnings", warnings},
                     {"removable", removable},
                     {"looked", looked}});
}

SysResult<void> writeNew(const std::string& path, const std::string& content) {
    // Beside it, and a name that the configuration's reader passes over. A link, unlike a rename, does not
    // take the place of what is there.
    const auto beside = path + ".part";
    if (auto written = writeFileAtomically(beside, content, 0644); !written)
        return written;
    SysResult<void> done;
    if (link(beside.c_str(), path.c_str()) != 0)
        done = std::unexpected(SysError{"create", path, errno});
    if (unlink(beside.c_str()) != 0 && done)
        done = std::unexpected(SysError{"unlink", beside, errno});
    return done;
}

ExitCode runImport(const Options& options) {
    auto root = options.root;
    while (root.ends_with('/'))
        root.pop_back();
    const TrustedFiles sysfs(root);
    const auto config = root + "/etc/vfio-bind.toml";
    const auto path = dropInDirectory(config) + "/50-imported.toml";
    const auto topology = Topology::read(sysfs);
    const Names hwdb;
    if (!hwdb.error().empty())
        complain("no names of devices: " + hwdb.error());
    if (!topology)
        complain("what is in the machine cannot be told: " + topology.error().str());

    const auto known = topology ? *topology : Topology{};
    const auto imported = importFrom(
        {.sysfs = sysfs, .topology = known, .name = [&](const Ids& ids) { return hwdb.name(ids); }},
        options.from, ruleNames(config));
    const bool write = options.write && !imported.toml.empty();
    // A second import would find the first one's rules in its way: that is said first.
    if (write && sysfs.exists("/etc/vfio-bind.d/50-imported.toml"))
        return fail(options,
                    fmt::format("{} exists already: move it away, or print the rules without --write", path));
    // What is only printed is no change of the file of this name that may be there.
    const auto wrong = imported.toml.empty()
                           ? ""
                           : objections(config, write ? path : path + " as printed", imported.toml, known);
    if (write && !wrong.empty())
        return fail(options, "nothing was written: together with the present configuration it would not be "
                             "accepted:\n" +
                                 wrong);
    if (write)
        if (const auto written = writeNew(path, imported.toml); !written)
            return fail(options, "nothing was written: " + written.error().str());

    if (options.json)
        printLine(importedJson(imported, write ? path : ""));
    else if (write)
        printLine(fmt::format("{} is written; 'vfio-bindctl reload' puts it in force.", path));
    else
        print(imported.toml);
    tell(imported);
    if (!wrong.empty())
        complain("together with the present configuration these rules would not be accepted:\n" + wrong);
    return ExitCode::done;
}

} // namespace vfiobind::ctl
