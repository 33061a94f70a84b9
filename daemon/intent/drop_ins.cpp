// SPDX-License-Identifier: LGPL-2.1-or-later
#include "intent/drop_ins.h"

#include "config/drop_in.h"
#include "sysfs/write_file.h"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

/// Returns the file's content, or nothing if there is no file. A file that cannot be read counts as none,
/// since it cannot be written either.
std::optional<std::string> contentOf(const std::string& path) {
    std::error_code ignored;
    std::ifstream file(path);
    if (!std::filesystem::is_regular_file(path, ignored) || !file)
        return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
}

SysResult<void> put(const std::string& path, const std::optional<std::string>& content) {
    return content ? writeFileDurably(path, *content, 0644) : removeFileDurably(path);
}

} // namespace

std::string persistedName(const Address& first) {
    return "persist-" + first.objectName();
}

void DropIns::add(const std::string& name, const std::vector<const Device*>& endpoints,
                  const CallOptions& options) {
    DropInRule rule{.name = name, .driver = options.driver, .method = options.method, .allow = options.allow};
    for (const auto* device : endpoints)
        rule.devices.emplace_back(device->address, device->ids);
    contents_[pathOf(name)] = toToml(rule, {"Written by vfio-bind: a bind that was asked for with persist.",
                                            "`vfio-bindctl release --persist` takes it away again."});
}

std::vector<ConfigText> DropIns::applyTo(std::vector<ConfigText> texts) const {
    for (const auto& [path, content] : contents_) {
        std::erase_if(texts, [&](const ConfigText& text) { return text.file == path; });
        if (content)
            addDropIn(texts, {path, *content});
    }
    return texts;
}

std::expected<void, ApiError> DropIns::write() const {
    std::map<std::string, std::optional<std::string>> before;
    for (const auto& [path, content] : contents_) {
        before.emplace(path, contentOf(path));
        const auto done = put(path, content);
        if (done)
            continue;
        for (const auto& [changed, was] : before)
            if (auto back = put(changed, was); !back)
                spdlog::error("the drop-in of a call that was refused stays: {}", back.error().str());
        return std::unexpected(ApiError{ApiError::Kind::readOnly,
                                        fmt::format("the drop-in cannot be {}: {}",
                                                    content ? "written" : "removed", done.error().str())});
    }
    return {};
}

} // namespace vfiobind
