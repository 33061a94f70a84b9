// SPDX-License-Identifier: LGPL-2.1-or-later
// Bind and Release that outlive a reboot: drop-ins beside the configuration.
#include "core.h"

#include "config/config.h"
#include "transaction/journal.h"

#include <cerrno>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace vfiobind {
namespace {

/// The name of the rule that a drop-in of ours holds: after the group's first device.
std::string persistedName(const Address& first) {
    return "persist-" + first.objectName();
}

std::string dropIn(const std::string& name, const Topology& topology, unsigned group,
                   const CallOptions& options) {
    std::string text =
        "# Written by vfio-bind: a bind that was asked for with persist. `vfio-bindctl release --persist`\n"
        "# takes it away again.\n[[bind]]\n";
    text += fmt::format("name = \"{}\"\ndevices = [\n", name);
    for (const auto* device : topology.endpoints(group))
        text += fmt::format("    {{ address = \"{}\", id = \"{}\" }},\n", device->address.str(),
                            device->ids.str());
    text += "]\n";
    if (options.driver)
        text += fmt::format("driver = \"{}\"\n", *options.driver);
    if (options.method)
        text += fmt::format("method = \"{}\"\n", *options.method == Method::newId ? "new-id" : "override");
    if (!options.allow.empty()) {
        text += "allow = [";
        for (const auto& code : options.allow)
            text += fmt::format("{}\"{}\"", code == options.allow.front() ? "" : ", ", code);
        text += "]\n";
    }
    return text;
}

} // namespace

std::expected<void, ApiError> Core::persist(const Undertaking& undertaking) {
    const auto action = undertaking.action;
    const auto directory = dropInDirectory(files_.config);
    for (const auto group : undertaking.groups | std::views::keys) {
        const auto endpoints = topology_.endpoints(group);
        if (endpoints.empty())
            continue;
        const auto name = persistedName(endpoints.front()->address);
        const auto path = fmt::format("{}/{}.toml", directory, name);
        const auto rule = resolution_.groups.find(group);
        const bool byHand = rule != resolution_.groups.end() && rule->second.rule != name;
        if (action == Action::bind && byHand)
            continue; // a rule wants it at every boot already
        if (action == Action::release && byHand)
            return std::unexpected(ApiError{ApiError::Kind::invalidArgument,
                                            fmt::format("group {} is wanted by rule {} ({}), which was "
                                                        "written by hand; take the rule out there to release "
                                                        "it for good",
                                                        group, rule->second.rule,
                                                        policy_.find(rule->second.rule)->where.str())});
        if (action == Action::release) {
            if (unlink(path.c_str()) != 0 && errno != ENOENT)
                return std::unexpected(
                    ApiError{ApiError::Kind::readOnly, SysError{"unlink", path, errno}.str()});
            continue;
        }
        if (auto written =
                writeFileAtomically(path, dropIn(name, topology_, group, undertaking.options), 0644);
            !written)
            return std::unexpected(
                ApiError{ApiError::Kind::readOnly,
                         fmt::format("the drop-in cannot be written: {}", written.error().str())});
    }
    if (auto read = readPolicy(); !read)
        return read;
    resolution_ = resolve(policy_, topology_);
    return {};
}

} // namespace vfiobind
