// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/match.h"

#include "config/keys.h"
#include "pci/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <optional>

namespace vfiobind {

namespace {

/// A glob or a list of globs; none where it is wrong.
std::optional<std::vector<std::string>> readGlobs(TomlReader& reader, const toml::node& node,
                                                  std::string_view key) {
    const auto example = fmt::format("{} = \"a*\"", key);
    std::vector<std::string> globs;
    if (const auto* text = node.as_string()) {
        globs.push_back(text->get());
    } else if (const auto* list = node.as_array()) {
        for (const auto& element : *list)
            if (auto glob = reader.element(element, key, fmt::format("{} = [\"a*\", \"b\"]", key)))
                globs.push_back(std::move(glob->value));
        if (globs.size() != list->size())
            return std::nullopt;
    } else {
        reader.wrongType(node, key, "a string or a list of strings", example);
        return std::nullopt;
    }
    if (globs.empty() || std::ranges::any_of(globs, &std::string::empty)) {
        reader.error(node, fmt::format("{} names nothing: write a glob, as in {}, or leave the key out", key,
                                       example));
        return std::nullopt;
    }
    return globs;
}

/// What the machine has for a key: one text, or the words of the command line; nothing where it is not known.
std::vector<std::string> factsFor(std::string_view key, const HostFacts& facts) {
    const auto one = [](const std::optional<std::string>& fact) {
        return fact ? std::vector{*fact} : std::vector<std::string>{};
    };
    if (key == "host")
        return one(facts.host);
    if (key == "machine-id")
        return one(facts.machineId);
    if (key == "board")
        return one(facts.board);
    if (key == "product")
        return one(facts.product);
    if (key == "virtualization")
        return one(facts.virtualization);
    return facts.commandLine;
}

std::string alternatives(const std::vector<std::string>& globs) {
    std::string text;
    for (const auto& glob : globs)
        text += (text.empty() ? "" : " or ") + quote(glob);
    return text;
}

std::string whyNot(std::string_view key, const std::vector<std::string>& globs, const HostFacts& facts) {
    const auto known = factsFor(key, facts);
    for (const auto& glob : globs)
        for (const auto& fact : known)
            if (fnmatch(glob.c_str(), fact.c_str(), 0) == 0)
                return {};
    if (key == "kernel-command-line")
        return fmt::format("it is for a kernel command line with {}", alternatives(globs));
    if (known.empty())
        return fmt::format("it is for {} {}, which is not known here", key, alternatives(globs));
    return fmt::format("it is for {} {}, and this is {}", key, alternatives(globs), quote(known.front()));
}

} // namespace

std::string whyNotMatched(TomlReader& reader, const toml::table& table, const HostFacts& facts) {
    reader.refuseUnknown(table, "[match]", matchKeys);
    std::string why;
    for (const auto key : matchKeys) {
        const auto* node = table.get(key);
        if (!node)
            continue;
        const auto globs = readGlobs(reader, *node, key);
        if (why.empty() && globs && !facts.anyMachine)
            why = whyNot(key, *globs, facts);
    }
    return why;
}

} // namespace vfiobind
