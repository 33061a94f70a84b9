// SPDX-License-Identifier: LGPL-2.1-or-later
/// Values out of JSON that anything may have written.
#pragma once

#include "pci/address.h"

#include <concepts>
#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace vfiobind {

/// The whole number that `object` has under `key` (a name or an index). Throws std::exception with a sentence
/// where it is missing, no whole number, or none that T holds: nlohmann's get() cuts off what does not fit,
/// and has no answer defined for a fraction that is out of range.
template <std::integral T, typename Key>
T numberAt(const nlohmann::json& object, const Key& key) {
    const auto& value = object.at(key);
    const bool fits = value.is_number_unsigned()  ? std::in_range<T>(value.template get<std::uint64_t>())
                      : value.is_number_integer() ? std::in_range<T>(value.template get<std::int64_t>())
                                                  : false;
    if (!fits)
        throw std::out_of_range(
            fmt::format("'{}' is {}; it is a whole number from {} to {}", key,
                        value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace),
                        std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    return value.template get<T>();
}

/// Throws std::invalid_argument with the sentence of Address::parse().
inline Address addressFrom(const std::string& text) {
    auto address = Address::parse(text);
    if (!address)
        throw std::invalid_argument(address.error());
    return *address;
}

} // namespace vfiobind
