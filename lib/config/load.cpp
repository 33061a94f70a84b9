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

std::string parentOf(const std::string& path) {
    return path.substr(0, path.rfind('/'));
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

ConfigTexts readConfigTexts(const std::string& mainFile) {
    ConfigTexts read;
    const auto add = [&](const std::string& path, bool mayBeMissing) {
        auto content = readFile(path);
        if (content)
            read.texts.push_back({path, std::move(*content)});
        else if (!mayBeMissing || content.error() != ENOENT)
            read.errors.push_back(cannotRead(path, content.error()));
    };
    add(mainFile, true);
    for (const auto& path : listDropIns(dropInDirectory(mainFile), read.errors))
        add(path, false);
    return read;
}

std::expected<Policy, std::vector<ConfigError>> parsePolicy(ConfigTexts read) {
    auto policy = parsePolicy(read.texts);
    if (read.errors.empty())
        return policy;
    if (!policy)
        read.errors.insert(read.errors.end(), policy.error().begin(), policy.error().end());
    return std::unexpected(std::move(read.errors));
}

void addDropIn(std::vector<ConfigText>& texts, ConfigText dropIn) {
    std::erase_if(texts, [&](const ConfigText& text) { return text.file == dropIn.file; });
    // The main file is the first, whatever its name.
    const auto after = std::ranges::find_if(texts, [&](const ConfigText& text) {
        return dropInDirectory(text.file) != parentOf(dropIn.file) && dropIn.file < text.file;
    });
    texts.insert(after, std::move(dropIn));
}

std::expected<Policy, std::vector<ConfigError>> loadPolicy(const std::string& mainFile) {
    return parsePolicy(readConfigTexts(mainFile));
}

std::expected<Policy, std::vector<ConfigError>> loadPolicyWith(const std::string& mainFile,
                                                               ConfigText dropIn) {
    auto read = readConfigTexts(mainFile);
    addDropIn(read.texts, std::move(dropIn));
    return parsePolicy(std::move(read));
}

} // namespace vfiobind
