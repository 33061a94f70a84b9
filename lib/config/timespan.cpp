// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/timespan.h"

#include "pci/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

namespace vfiobind {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds longest = std::chrono::hours{24};

std::optional<milliseconds> unitOf(std::string_view name) {
    using namespace std::chrono_literals;
    if (name == "ms")
        return 1ms;
    if (name == "s" || name == "sec")
        return 1s;
    if (name == "min" || name == "m")
        return 1min;
    if (name == "h")
        return 1h;
    return std::nullopt;
}

void skipSpaces(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
}

} // namespace

std::expected<milliseconds, std::string> parseTimespan(std::string_view text) {
    const auto fail = [&](std::string_view why) {
        return std::unexpected(fmt::format("{} is no time span: {}", quote(text), why));
    };
    constexpr std::string_view shape = "write a number with ms, s, min or h, as in 30s, 500ms or 1min 30s";
    constexpr std::string_view range = "it must be from 1ms to 24h";
    milliseconds sum{0};
    auto rest = text;
    skipSpaces(rest);
    if (rest.empty())
        return fail(shape);
    while (!rest.empty()) {
        std::uint32_t number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        if (error == std::errc::result_out_of_range)
            return fail(range);
        if (error != std::errc{})
            return fail(shape);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        skipSpaces(rest);
        const auto name = rest.substr(0, rest.find_first_of(" 0123456789"));
        const auto unit = unitOf(name);
        if (!unit)
            return fail(shape);
        // At most 2^32 hours of milliseconds and a day: far from the end of 64 bits.
        sum += *unit * number;
        if (sum > longest)
            return fail(range);
        rest.remove_prefix(name.size());
        skipSpaces(rest);
    }
    if (sum.count() == 0)
        return fail(range);
    return sum;
}

} // namespace vfiobind
