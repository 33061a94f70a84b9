// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/export.h"

#include "json.h"
#include "output.h"
#include "sysfs/real_sysfs.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <sys/utsname.h>
#include <system_error>

namespace vfiobind::ctl {
namespace {

std::vector<std::string> notesAbout(const std::vector<PassedGroup>& groups) {
    std::vector<std::string> notes;
    for (const auto& group : groups) {
        if (group.noIommu)
            notes.push_back(
                fmt::format("group {} is without an IOMMU: nothing keeps its devices from writing "
                            "to any memory of the machine, and the kernel is tainted",
                            group.number));
        if (!group.ours)
            notes.push_back(fmt::format("group {} was bound by another program, which may take it back; "
                                        "'vfio-bindctl bind group/{}' makes it the daemon's",
                                        group.number, group.number));
        if (!group.holders.empty())
            notes.push_back(fmt::format("group {} is in use by {}; a second one cannot open it", group.number,
                                        fmt::join(group.holders, ", ")));
    }
    return notes;
}

/// Without the domain, as clusters call their machines.
std::string firstLabel(std::string_view name) {
    return std::string(name.substr(0, name.find('.')));
}

std::string nameOfThisHost() {
    utsname names{};
    if (uname(&names) != 0)
        throw std::system_error(errno, std::generic_category(),
                                "the name of this machine cannot be told (uname)");
    return firstLabel(names.nodename);
}

ExitCode fail(const Options& options, const Refusal& refusal) {
    if (options.json)
        printLine(errorJson("", refusal.sentence));
    complain(refusal.sentence);
    return refusal.code;
}

} // namespace

std::string hostOf(std::string_view userAtHost) {
    const auto host = userAtHost.substr(userAtHost.rfind('@') + 1); // npos + 1 is the beginning
    const bool isAddress =
        host.find_first_not_of("0123456789.") == std::string_view::npos || host.contains(':');
    return isAddress ? std::string{} : firstLabel(host);
}

const Exporter* findExporter(std::string_view name) {
    const auto found = std::ranges::find(exporters, name, &Exporter::name);
    return found == exporters.end() ? nullptr : &*found;
}

std::expected<Exported, Refusal> exportTarget(const Snapshot& snapshot, const Touched& touched,
                                              const Exporter& exporter, const ExportPlace& place,
                                              bool iommufd) {
    if (iommufd && !exporter.takesIommufd)
        return std::unexpected(
            Refusal{ExitCode::usage,
                    fmt::format("it is not known how {} would be told to take devices through iommufd; "
                                "without --iommufd it takes them by the nodes of their groups",
                                exporter.title)});
    const auto groups = passedGroups(snapshot, touched, iommufd);
    if (!groups)
        return std::unexpected(Refusal{ExitCode::blocked, groups.error()});
    const auto bare = std::ranges::find_if(*groups, &PassedGroup::noIommu);
    if (exporter.isVmm && bare != groups->end())
        return std::unexpected(Refusal{
            ExitCode::blocked,
            fmt::format(
                "group {} is without an IOMMU, and {} takes no such group; 'vfio-bindctl doctor' says "
                "how to switch the IOMMU on",
                bare->number, exporter.title)});
    auto result =
        exporter.make({.groups = *groups, .sysfs = place.sysfs, .host = place.host, .iommufd = iommufd});
    if (!result)
        return std::unexpected(Refusal{ExitCode::blocked, result.error()});
    auto notes = notesAbout(*groups);
    result->notes.insert(result->notes.begin(), std::make_move_iterator(notes.begin()),
                         std::make_move_iterator(notes.end()));
    return std::move(*result);
}

std::string renderExport(const Exported& exported) {
    if (exported.arguments.empty())
        return exported.file;
    return fmt::format("{}\n", fmt::join(exported.arguments, " "));
}

std::string exportJson(std::string_view target, const Exporter& exporter, const Exported& exported) {
    return dumpLine({{"target", target},
                     {"for", exporter.name},
                     {"arguments", exported.arguments},
                     {"file", exported.file},
                     {"notes", exported.notes}});
}

ExitCode runExport(Client& client, const Options& options) {
    const auto* exporter = findExporter(options.exportFor);
    if (exporter == nullptr)
        throw std::logic_error("the command line let an unknown --for through: " + options.exportFor);
    const Resolved resolved = client.resolve(options.target);
    const Snapshot snapshot = client.snapshot();
    const RealSysfs here;
    const auto exported =
        exportTarget(snapshot, touchedBy(snapshot, resolved), *exporter,
                     options.hosts.empty() ? ExportPlace{&here, nameOfThisHost()}
                                           : ExportPlace{nullptr, hostOf(options.hosts.front())},
                     options.iommufd);
    if (!exported)
        return fail(options, exported.error());
    if (options.json) {
        printLine(exportJson(options.target, *exporter, *exported));
        return ExitCode::done;
    }
    print(renderExport(*exported));
    for (const auto& note : exported->notes)
        complain(note);
    return ExitCode::done;
}

} // namespace vfiobind::ctl
