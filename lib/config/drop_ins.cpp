// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/drop_ins.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

namespace vfiobind {

namespace {

namespace fs = std::filesystem;

bool isMask(const fs::path& path) {
    std::error_code error;
    return fs::is_symlink(path, error) && fs::read_symlink(path, error) == "/dev/null";
}

} // namespace

ConfigError cannotRead(const std::string& path, int code) {
    const char* name = strerrorname_np(code);
    const char* description = strerrordesc_np(code);
    return {{path, 0, 0},
            fmt::format("cannot be read: {} ({}); make it a file that root can read, or remove it",
                        name ? name : std::to_string(code), description ? description : "unknown error")};
}

std::string dropInDirectory(const std::string& mainFile) {
    constexpr std::string_view suffix = ".toml";
    const bool toml = mainFile.ends_with(suffix);
    return mainFile.substr(0, mainFile.size() - (toml ? suffix.size() : 0)) + ".d";
}

std::string rootOf(const std::string& mainFile) {
    const auto folder = fs::path(mainFile).parent_path();
    if (folder.filename() != "etc")
        return {};
    const auto root = folder.parent_path().string();
    return root == "/" ? std::string{} : root;
}

std::vector<std::string> dropInFolders(const std::string& mainFile) {
    const auto own = dropInDirectory(mainFile);
    if (fs::path(mainFile).parent_path().filename() != "etc")
        return {own};
    const auto name = fs::path(own).filename().string();
    const auto root = rootOf(mainFile);
    return {root + "/usr/lib/" + name, root + "/run/" + name, own};
}

DropIns listDropIns(const std::string& mainFile) {
    DropIns found;
    std::map<std::string, fs::path> byName;
    for (const auto& folder : dropInFolders(mainFile)) {
        std::error_code error;
        for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
             entry.increment(error)) {
            const auto name = entry->path().filename().string();
            if (name.ends_with(".toml") && !name.starts_with('.'))
                byName[name] = entry->path();
        }
        if (error && error.value() != ENOENT)
            found.errors.push_back(cannotRead(folder, error.value()));
    }
    for (const auto& [name, path] : byName)
        (isMask(path) ? found.masked : found.files).push_back(path.string());
    return found;
}

} // namespace vfiobind
