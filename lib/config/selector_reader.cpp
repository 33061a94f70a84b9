// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/selector_reader.h"

#include "config/keys.h"
#include "pci/serial.h"

#include <fmt/format.h>

namespace vfiobind {

namespace {

/// Reads one key of a selector's table with the parser for its kind; false if it is there and wrong.
template <typename T, typename Parse>
bool readPart(TomlReader& reader, const toml::table& table, std::string_view key, std::string_view example,
              std::optional<T>& part, Parse parse) {
    if (!table.contains(key))
        return true;
    const auto text = reader.string(table, key, example);
    if (!text)
        return false;
    auto parsed = parse(text->value);
    if (!parsed) {
        reader.error(text->where, parsed.error());
        return false;
    }
    part = std::move(*parsed);
    return true;
}

std::optional<Selector> readSelectorTable(TomlReader& reader, const toml::table& table) {
    reader.refuseUnknown(table, "a selector", selectorKeys);
    if (table.empty()) {
        reader.error(table,
                     R"(a selector without keys names nothing: write { address = "0000:01:00.0" }, or one )"
                     "or more of id, subsystem, path and serial");
        return std::nullopt;
    }
    Selector selector;
    bool good = readPart(reader, table, "address", R"({ address = "0000:01:00.0" })", selector.address,
                         Address::parse);
    good &= readPart(reader, table, "id", R"({ id = "10de:1284" })", selector.id, IdPattern::parse);
    good &= readPart(reader, table, "subsystem", R"({ subsystem = "8086:00a2" })", selector.subsystem,
                     SubsystemPattern::parse);
    good &=
        readPart(reader, table, "path", R"({ path = "0000:00/01.0/00.0" })", selector.path, parseBridgePath);
    good &= readPart(reader, table, "serial", R"({ serial = "00-11-22-ff-fe-33-44-55" })", selector.serial,
                     parseSerial);
    if (!good || selector == Selector{})
        return std::nullopt;
    return selector;
}

} // namespace

std::optional<Selector> readSelector(TomlReader& reader, const toml::node& node, std::string_view key,
                                     std::string_view example) {
    if (const auto* table = node.as_table())
        return readSelectorTable(reader, *table);
    const auto* text = node.as_string();
    if (!text) {
        reader.wrongType(node, fmt::format("what {} lists", key), "a string or a table", example);
        return std::nullopt;
    }
    const auto selector = Selector::parse(text->get());
    if (selector)
        return *selector;
    reader.error(node, selector.error());
    return std::nullopt;
}

} // namespace vfiobind
