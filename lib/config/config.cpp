// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/config.h"

#include "config/keys.h"
#include "config/match.h"
#include "config/publish_reader.h"
#include "config/rule_reader.h"
#include "config/words.h"
#include "pci/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

namespace vfiobind {

namespace {

/// What all files together say. A later file's key takes the place of an earlier one's; rules add up.
struct Everything {
    Policy policy;
    RuleSettings defaults;
    std::vector<RuleText> rules;
};

void readDaemon(TomlReader& reader, const toml::table& table, Policy& policy) {
    reader.refuseUnknown(table, "[daemon]", daemonKeys);
    const auto level = reader.string(table, "log-level", R"(log-level = "info")");
    if (!level)
        return;
    if (std::ranges::find(logLevels, level->value) == logLevels.end())
        reader.error(level->where, fmt::format("unknown log level {}: {}", quote(level->value),
                                               didYouMeanOrOneOf(level->value, logLevels)));
    policy.logLevel = level->value;
}

void readModules(TomlReader& reader, const toml::table& table, ModuleOptions& modules) {
    reader.refuseUnknown(table, "[vfio-pci]", moduleKeys);
    const auto option = [&](std::string_view key, std::string_view example, std::optional<bool>& value) {
        if (const auto read = reader.boolean(table, key, example))
            value = read;
    };
    option("disable-vga", "disable-vga = true", modules.disableVga);
    option("disable-idle-d3", "disable-idle-d3 = true", modules.disableIdleD3);
    option("allow-unsafe-interrupts", "allow-unsafe-interrupts = true", modules.allowUnsafeInterrupts);
}

void readRules(TomlReader& reader, const toml::table& root, std::vector<RuleText>& rules) {
    const auto* node = root.get("bind");
    if (!node)
        return;
    const auto* list = node->as_array();
    if (!list) {
        reader.error(*node, "each rule is a [[bind]] of its own, in double brackets");
        return;
    }
    for (const auto& element : *list) {
        if (const auto* table = element.as_table())
            rules.push_back(readRule(reader, *table));
        else
            reader.error(element, "each rule is a [[bind]] table with a name and devices");
    }
}

void readFile(const ConfigText& text, const HostFacts& facts, Everything& all,
              std::vector<ConfigError>& errors) {
    TomlReader reader(text.file, errors);
    toml::table root;
    try {
        root = toml::parse(std::string_view{text.content}, text.file);
    } catch (const toml::parse_error& error) {
        reader.error(reader.where(error.source()),
                     fmt::format("this is no TOML: {}", printable(error.description())));
        return;
    }
    if (const auto* match = reader.table(root, "match", "[match]")) {
        const auto before = errors.size();
        auto why = whyNotMatched(reader, *match, facts);
        if (errors.size() == before && !why.empty()) {
            all.policy.unmatched.push_back({text.file, std::move(why)});
            return;
        }
    }
    all.policy.files.push_back(text.file);
    reader.refuseUnknown(root, "the file", topKeys);
    if (const auto* table = reader.table(root, "daemon", "[daemon]"))
        readDaemon(reader, *table, all.policy);
    if (const auto* table = reader.table(root, "defaults", "[defaults]"))
        all.defaults.overrideWith(readDefaults(reader, *table));
    if (const auto* table = reader.table(root, "vfio-pci", "[vfio-pci]"))
        readModules(reader, *table, all.policy.modules);
    if (const auto* table = reader.table(root, "publish", "[publish]"))
        readPublish(reader, *table, all.policy.publish);
    readRules(reader, root, all.rules);
}

/// In order of file, line and column, whichever check has found them.
void sortErrors(const std::vector<ConfigText>& texts, std::vector<ConfigError>& errors) {
    std::map<std::string_view, std::size_t> order;
    for (std::size_t i = 0; i < texts.size(); ++i)
        order.emplace(texts[i].file, i);
    std::ranges::stable_sort(errors, {}, [&](const ConfigError& error) {
        return std::tuple{order.at(error.where.file), error.where.line, error.where.column};
    });
}

} // namespace

std::string ConfigError::str() const {
    return fmt::format("{}: {}", where.str(), what);
}

std::string str(const std::vector<ConfigError>& errors) {
    std::string lines;
    for (const auto& error : errors)
        lines += (lines.empty() ? "" : "\n") + error.str();
    return lines;
}

std::expected<Policy, std::vector<ConfigError>> parsePolicy(const std::vector<ConfigText>& texts,
                                                            const HostFacts& facts) {
    Everything all;
    std::vector<ConfigError> errors;
    for (const auto& text : texts)
        readFile(text, facts, all, errors);
    std::ranges::move(findContradictions(all.rules), std::back_inserter(errors));
    if (!errors.empty()) {
        sortErrors(texts, errors);
        return std::unexpected(std::move(errors));
    }
    all.policy.standsBack = facts.standsBack();
    if (!all.policy.standsBack.empty()) {
        all.policy.modules = {};
        return all.policy;
    }
    for (const auto& rule : all.rules)
        all.policy.rules.push_back(rule.toRule(all.defaults));
    return all.policy;
}

} // namespace vfiobind
