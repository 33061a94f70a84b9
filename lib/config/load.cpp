// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/config.h"
#include "sysfs/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

namespace vfiobind {

namespace {

namespace fs = std::filesystem;

/// The content, or the errno.
std::expected<std::string, int> readFile(const std::string& path) {
    // O_NONBLOCK, so that a FIFO put there by mistake does not keep the daemon from starting.
    const Descriptor file(path, O_RDONLY | O_NONBLOCK);
    if (file.get() < 0)
        return std::unexpected(errno);
    std::string content;
    std::array<char, 4096> chunk;
    for (;;) {
        const ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return std::unexpected(errno);
        if (got == 0)
            return content;
        content.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

ConfigError cannotRead(const std::string& path, int code) {
    const char* name = strerrorname_np(code);
    const char* description = strerrordesc_np(code);
    return {{path, 0, 0},
            fmt::format("cannot be read: {} ({}); make it a file that root can read, or remove it",
                        name ? name : std::to_string(code), description ? description : "unknown error")};
}

/// The drop-ins in order of name. Hidden files are editors' and package managers' own.
std::vector<std::string> listDropIns(const std::string& directory, std::vector<ConfigError>& errors) {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.ends_with(".toml") && !name.starts_with('.'))
            files.push_back(directory + "/" + name);
    }
    if (error && error.value() != ENOENT)
        errors.push_back(cannotRead(directory, error.value()));
    std::ranges::sort(files);
    return files;
}

} // namespace

std::string dropInDirectory(const std::string& mainFile) {
    constexpr std::string_view suffix = ".toml";
    const bool toml = mainFile.ends_with(suffix);
    return mainFile.substr(0, mainFile.size() - (toml ? suffix.size() : 0)) + ".d";
}

std::vector<std::string> configFiles(const std::string& mainFile) {
    const auto directory = dropInDirectory(mainFile);
    std::vector<std::string> files{mainFile, directory};
    std::vector<ConfigError> unreadable; // loadPolicy tells of it
    for (auto& path : listDropIns(directory, unreadable))
        files.push_back(std::move(path));
    return files;
}

namespace {

std::expected<Policy, std::vector<ConfigError>> load(const std::string& mainFile,
                                                     std::optional<ConfigText> extra) {
    std::vector<ConfigError> errors;
    std::vector<ConfigText> texts;
    const auto add = [&](const std::string& path, bool mayBeMissing) {
        auto content = readFile(path);
        if (content)
            texts.push_back({path, std::move(*content)});
        else if (!mayBeMissing || content.error() != ENOENT)
            errors.push_back(cannotRead(path, content.error()));
    };
    add(mainFile, true);
    for (const auto& path : listDropIns(dropInDirectory(mainFile), errors)) {
        if (extra && extra->file < path)
            texts.push_back(*std::exchange(extra, std::nullopt));
        add(path, false);
    }
    if (extra)
        texts.push_back(std::move(*extra));

    auto policy = parsePolicy(texts);
    if (errors.empty())
        return policy;
    if (!policy)
        errors.insert(errors.end(), policy.error().begin(), policy.error().end());
    return std::unexpected(std::move(errors));
}

} // namespace

std::expected<Policy, std::vector<ConfigError>> loadPolicy(const std::string& mainFile) {
    return load(mainFile, std::nullopt);
}

std::expected<Policy, std::vector<ConfigError>> loadPolicyWith(const std::string& mainFile,
                                                               ConfigText dropIn) {
    return load(mainFile, std::move(dropIn));
}

} // namespace vfiobind
