// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/lease.h"

#include "intent/request_json.h"
#include "transaction/json_values.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vfiobind {
namespace {

using nlohmann::json;

Lease leaseFrom(std::uint64_t pipe, const json& j) {
    Lease lease{.pipe = pipe,
                .uid = numberAt<uid_t>(j, "uid"),
                .what = j.at("what").get<std::string>(),
                .sinceUsec = numberAt<std::uint64_t>(j, "since"),
                .groups = {}};
    for (std::size_t i = 0; i < j.at("groups").size(); ++i)
        lease.groups.insert(numberAt<unsigned>(j.at("groups"), i));
    return lease;
}

LeasedGroup groupFrom(const json& j) {
    return {.members = membersFrom(j.at("members")),
            .request = requestFrom(j.at("request")),
            .boundBefore = j.at("bound-before").get<bool>(),
            .overruled = j.at("overruled").get<bool>()};
}

/// The number that a key is. Throws std::invalid_argument with a sentence.
template <typename Number>
Number numberOf(const std::string& key) {
    Number number{};
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
    if (error != std::errc() || end != key.data() + key.size())
        throw std::invalid_argument(fmt::format("'{}' is no number", key));
    return number;
}

} // namespace

std::string toJson(const LeaseRecord& record) {
    json j{{"leases", json::object()}, {"groups", json::object()}};
    for (const auto& [pipe, lease] : record.leases)
        j["leases"][std::to_string(pipe)] = {
            {"uid", lease.uid}, {"what", lease.what}, {"since", lease.sinceUsec}, {"groups", lease.groups}};
    for (const auto& [number, group] : record.groups)
        j["groups"][std::to_string(number)] = {{"members", toJson(group.members)},
                                               {"request", toJson(group.request)},
                                               {"bound-before", group.boundBefore},
                                               {"overruled", group.overruled}};
    return j.dump(1, ' ', false, json::error_handler_t::replace) + '\n';
}

std::expected<LeaseRecord, std::string> leaseRecordFrom(std::string_view text) {
    try {
        const auto document = json::parse(text);
        LeaseRecord record;
        for (const auto& [key, lease] : document.at("leases").items()) {
            const auto pipe = numberOf<std::uint64_t>(key);
            record.leases.emplace(pipe, leaseFrom(pipe, lease));
        }
        for (const auto& [key, group] : document.at("groups").items())
            record.groups.emplace(numberOf<unsigned>(key), groupFrom(group));
        return record;
    } catch (const std::exception& error) {
        return std::unexpected(error.what());
    }
}

} // namespace vfiobind
