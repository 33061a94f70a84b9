// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/toml_reader.h"

#include "config/words.h"
#include "pci/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace vfiobind {

namespace {

std::string_view typeName(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "a list";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "a whole number";
    case toml::node_type::floating_point:
        return "a number with a fraction";
    case toml::node_type::boolean:
        return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
        return "a date or time";
    case toml::node_type::none:
        break;
    }
    return "nothing";
}

} // namespace

void TomlReader::wrongType(const toml::node& node, std::string_view key, std::string_view wanted,
                           std::string_view example) {
    error(node, fmt::format("{} must be {}, as in {}, not {}", key, wanted, example, typeName(node)));
}

std::optional<Read<std::string>> TomlReader::string(const toml::table& table, std::string_view key,
                                                    std::string_view example) {
    const toml::node* node = table.get(key);
    if (!node)
        return std::nullopt;
    if (const auto* value = node->as_string())
        return Read<std::string>{value->get(), where(node->source())};
    wrongType(*node, key, "a string", example);
    return std::nullopt;
}

std::optional<Read<std::string>> TomlReader::element(const toml::node& node, std::string_view key,
                                                     std::string_view example) {
    if (const auto* value = node.as_string())
        return Read<std::string>{value->get(), where(node.source())};
    wrongType(node, fmt::format("what {} lists", key), "a string", example);
    return std::nullopt;
}

std::optional<bool> TomlReader::boolean(const toml::table& table, std::string_view key,
                                        std::string_view example) {
    const toml::node* node = table.get(key);
    if (!node)
        return std::nullopt;
    if (const auto* value = node->as_boolean())
        return value->get();
    wrongType(*node, key, "true or false", example);
    return std::nullopt;
}

std::optional<unsigned> TomlReader::number(const toml::table& table, std::string_view key,
                                           std::string_view example, std::int64_t least, std::int64_t most) {
    const toml::node* node = table.get(key);
    if (!node)
        return std::nullopt;
    const auto* value = node->as_integer();
    if (!value) {
        wrongType(*node, key, "a whole number", example);
        return std::nullopt;
    }
    if (value->get() < least || value->get() > most) {
        error(*node, fmt::format("{} must be from {} to {}, not {}", key, least, most, value->get()));
        return std::nullopt;
    }
    return static_cast<unsigned>(value->get());
}

const toml::table* TomlReader::table(const toml::table& table, std::string_view key,
                                     std::string_view example) {
    const toml::node* node = table.get(key);
    if (node && !node->is_table())
        wrongType(*node, key, "a table", example);
    return node ? node->as_table() : nullptr;
}

const toml::array* TomlReader::array(const toml::table& table, std::string_view key,
                                     std::string_view example) {
    const toml::node* node = table.get(key);
    if (node && !node->is_array())
        wrongType(*node, key, "a list", example);
    return node ? node->as_array() : nullptr;
}

void TomlReader::refuseUnknown(const toml::table& table, std::string_view title,
                               std::span<const std::string_view> known) {
    for (const auto& [key, node] : table) {
        if (std::ranges::find(known, key.str()) != known.end())
            continue;
        // A key that only appears inside of others ([a.b] without [a]) has no place of its own.
        const auto& region = key.source().begin ? key.source() : node.source();
        error(where(region), fmt::format("unknown key {} in {}: {}", quote(key.str()), title,
                                         didYouMeanOrOneOf(key.str(), known)));
    }
}

} // namespace vfiobind
