// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/config.h"
#include "config/drop_ins.h"
#include "config/host_facts.h"
#include "config/read_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace vfiobind {

std::vector<std::string> configFiles(const std::string& mainFile) {
    std::vector<std::string> files{mainFile};
    for (auto& folder : dropInFolders(mainFile))
        files.push_back(std::move(folder));
    for (auto& path : listDropIns(mainFile).files) // what cannot be listed, loadPolicy tells
        files.push_back(std::move(path));
    return files;
}

namespace {

std::string nameOf(const std::string& path) {
    return std::filesystem::path(path).filename().string();
}

ConfigTexts readTexts(const std::string& mainFile, HostFacts facts) {
    auto dropIns = listDropIns(mainFile);
    ConfigTexts read{.texts = {},
                     .errors = std::move(dropIns.errors),
                     .masked = std::move(dropIns.masked),
                     .facts = std::move(facts)};
    const auto add = [&](const std::string& path, bool mayBeMissing) {
        auto content = readWholeFile(path);
        if (content)
            read.texts.push_back({path, std::move(*content)});
        else if (!mayBeMissing || content.error() != ENOENT)
            read.errors.push_back(cannotRead(path, content.error()));
    };
    add(mainFile, true);
    for (const auto& path : dropIns.files)
        add(path, false);
    return read;
}

} // namespace

ConfigTexts readConfigTexts(const std::string& mainFile) {
    return readTexts(mainFile, readHostFacts(rootOf(mainFile)));
}

std::expected<Policy, std::vector<ConfigError>> parsePolicy(ConfigTexts read) {
    auto policy = parsePolicy(read.texts, read.facts);
    if (policy)
        policy->masked = std::move(read.masked);
    if (read.errors.empty())
        return policy;
    if (!policy)
        read.errors.insert(read.errors.end(), policy.error().begin(), policy.error().end());
    return std::unexpected(std::move(read.errors));
}

void addDropIn(std::vector<ConfigText>& texts, ConfigText dropIn) {
    const auto name = nameOf(dropIn.file);
    const auto folder = std::filesystem::path(dropIn.file).parent_path();
    // The main file is the first, whatever its name.
    const auto isDropIn = [&](const ConfigText& text) { return dropInDirectory(text.file) != folder; };
    std::erase_if(texts, [&](const ConfigText& text) { return isDropIn(text) && nameOf(text.file) == name; });
    const auto after = std::ranges::find_if(
        texts, [&](const ConfigText& text) { return isDropIn(text) && name < nameOf(text.file); });
    texts.insert(after, std::move(dropIn));
}

std::expected<Policy, std::vector<ConfigError>> loadPolicy(const std::string& mainFile) {
    return parsePolicy(readConfigTexts(mainFile));
}

std::expected<Policy, std::vector<ConfigError>> loadPolicy(const std::string& mainFile,
                                                           const HostFacts& facts) {
    return parsePolicy(readTexts(mainFile, facts));
}

std::expected<Policy, std::vector<ConfigError>> loadPolicyWith(const std::string& mainFile,
                                                               ConfigText dropIn) {
    auto read = readConfigTexts(mainFile);
    addDropIn(read.texts, std::move(dropIn));
    return parsePolicy(std::move(read));
}

} // namespace vfiobind
