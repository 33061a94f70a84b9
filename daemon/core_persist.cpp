// SPDX-License-Identifier: LGPL-2.1-or-later
// Bind and Release that outlive a reboot: drop-ins beside the configuration.
#include "core.h"

#include "config/config.h"
#include "transaction/journal.h"

#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
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

std::optional<std::string> contentOf(const std::string& path) {
    std::error_code ignored; // what cannot be looked at will not be written either
    std::ifstream file(path);
    if (!std::filesystem::is_regular_file(path, ignored) || !file)
        return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Of a call that is refused after all.
void putBack(const std::string& path, const std::optional<std::string>& content) {
    SysResult<void> done;
    if (content)
        done = writeFileAtomically(path, *content, 0644);
    else if (unlink(path.c_str()) != 0 && errno != ENOENT)
        done = std::unexpected(SysError{"unlink", path, errno});
    if (!done)
        spdlog::error("the drop-in of a call that was refused stays: {}", done.error().str());
}

} // namespace

std::expected<void, ApiError> Core::persist(const Undertaking& undertaking) {
    FilesBefore before;
    auto done = writeDropIns(undertaking, before);
    if (done)
        done = readPolicy();
    if (!done) {
        for (const auto& [path, content] : before)
            putBack(path, content);
        return done;
    }
    resolveRules();
    return {};
}

std::expected<void, ApiError> Core::writeDropIns(const Undertaking& undertaking, FilesBefore& before) {
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
        auto content = contentOf(path);
        SysResult<void> done;
        if (action == Action::bind)
            done = writeFileAtomically(path, dropIn(name, topology_, group, undertaking.options), 0644);
        else if (unlink(path.c_str()) != 0 && errno != ENOENT)
            done = std::unexpected(SysError{"unlink", path, errno});
        if (!done)
            return std::unexpected(
                ApiError{ApiError::Kind::readOnly,
                         fmt::format("the drop-in cannot be {}: {}",
                                     action == Action::bind ? "written" : "removed", done.error().str())});
        before.emplace(path, std::move(content));
    }
    return {};
}

} // namespace vfiobind
