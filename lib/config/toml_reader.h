// SPDX-License-Identifier: LGPL-2.1-or-later
/// Typed reading of one TOML file's values, with an error for each that is not as it should be.
#pragma once

#include "config/config.h"

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// A value that was there and of the right type, with its place.
template <typename T>
struct Read {
    T value;
    SourceLocation where;
};

class TomlReader {
public:
    TomlReader(std::string file, std::vector<ConfigError>& errors) :
        file_(std::move(file)), errors_(errors) {}

    SourceLocation where(const toml::source_region& region) const {
        return {file_, region.begin.line, region.begin.column};
    }
    void error(SourceLocation where, std::string what) {
        errors_.push_back({std::move(where), std::move(what)});
    }
    void error(const toml::node& node, std::string what) { error(where(node.source()), std::move(what)); }

    /// Nothing where the key is missing, and nothing but an error where the value has another type. The
    /// example is what the whole line could be, `keep = true`.
    std::optional<Read<std::string>> string(const toml::table& table, std::string_view key,
                                            std::string_view example);
    std::optional<bool> boolean(const toml::table& table, std::string_view key, std::string_view example);
    std::optional<unsigned> number(const toml::table& table, std::string_view key, std::string_view example,
                                   std::int64_t least, std::int64_t most);
    const toml::table* table(const toml::table& table, std::string_view key, std::string_view example);
    const toml::array* array(const toml::table& table, std::string_view key, std::string_view example);

    /// The value of a list's element that has to be a string.
    std::optional<Read<std::string>> element(const toml::node& node, std::string_view key,
                                             std::string_view example);

    /// An error for each key that is not known; `title` is `[[bind]]` or the like.
    void refuseUnknown(const toml::table& table, std::string_view title,
                       std::span<const std::string_view> known);

    /// `KEY must be a string, as in EXAMPLE, not a table`
    void wrongType(const toml::node& node, std::string_view key, std::string_view wanted,
                   std::string_view example);

private:
    std::string file_;
    std::vector<ConfigError>& errors_;
};

} // namespace vfiobind
