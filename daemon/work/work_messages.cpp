// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/work.h"

#include "transaction/json_values.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vfiobind {
namespace {

using nlohmann::json;

json toJson(const Blockers& blockers) {
    auto list = json::array();
    for (const auto& b : blockers) {
        auto details = json::array();
        for (const auto& detail : b.details)
            details.push_back({detail.uid, detail.shown, detail.full});
        list.push_back({b.code, b.device ? b.device->str() : "", b.sentence, b.processes, details});
    }
    return list;
}

Blockers blockersFrom(const json& list) {
    Blockers blockers;
    for (const auto& entry : list) {
        const auto device = entry.at(1).get<std::string>();
        std::vector<Detail> details;
        for (const auto& detail : entry.at(4))
            details.push_back({numberAt<unsigned>(detail, std::size_t{0}), detail.at(1).get<std::string>(),
                               detail.at(2).get<std::string>()});
        blockers.push_back({.code = entry.at(0).get<std::string>(),
                            .device = device.empty() ? std::nullopt : std::optional(addressFrom(device)),
                            .sentence = entry.at(2).get<std::string>(),
                            .processes = entry.at(3).get<std::vector<unsigned>>(),
                            .details = std::move(details)});
    }
    return blockers;
}

struct Encoder {
    json operator()(const LookBegun&) const { return {{"is", "looks"}}; }
    json operator()(const Verdict& v) const {
        json holders = json::array();
        for (const auto& holder : v.holders)
            holders.push_back({holder.pid, holder.uid, holder.program, holder.command});
        json drivers = json::object();
        for (const auto& [address, driver] : v.drivers)
            drivers[address.str()] = driver;
        return {{"is", "verdict"},
                {"nothing-to-do", v.nothingToDo},
                {"blockers", toJson(v.blockers)},
                {"overridden", toJson(v.overridden)},
                {"steps", v.steps},
                {"holders", holders},
                {"drivers", drivers}};
    }
    json operator()(const StepBegun& m) const { return {{"is", "begun"}, {"step", m.step}}; }
    json operator()(const StepEnded& m) const { return {{"is", "ended"}, {"result", m.result}}; }
    json operator()(const OverrideRead& m) const {
        return {{"is", "override"}, {"device", m.device.str()}, {"value", m.value}};
    }
    json operator()(const Finished& m) const {
        return {{"is", "finished"},
                {"result", m.result},
                {"error", m.error},
                {"differences", m.differences},
                {"warnings", m.warnings}};
    }
    json operator()(const Died& m) const { return {{"is", "died"}, {"how", m.how}}; }
};

Verdict verdictFrom(const json& j) {
    Verdict verdict{.nothingToDo = j.at("nothing-to-do").get<bool>(),
                    .blockers = blockersFrom(j.at("blockers")),
                    .overridden = blockersFrom(j.at("overridden")),
                    .steps = j.at("steps").get<std::vector<std::string>>()};
    for (const auto& holder : j.at("holders"))
        verdict.holders.push_back({numberAt<unsigned>(holder, std::size_t{0}),
                                   numberAt<unsigned>(holder, std::size_t{1}),
                                   holder.at(2).get<std::string>(), holder.at(3).get<std::string>()});
    for (const auto& [address, driver] : j.at("drivers").items())
        verdict.drivers[addressFrom(address)] = driver.get<std::string>();
    return verdict;
}

WorkMessage messageFrom(const json& j) {
    const auto is = j.at("is").get<std::string>();
    if (is == "looks")
        return LookBegun{};
    if (is == "verdict")
        return verdictFrom(j);
    if (is == "begun")
        return StepBegun{j.at("step").get<std::string>()};
    if (is == "ended")
        return StepEnded{j.at("result").get<std::string>()};
    if (is == "override")
        return OverrideRead{addressFrom(j.at("device").get<std::string>()), j.at("value").get<std::string>()};
    if (is == "finished")
        return Finished{j.at("result").get<std::string>(), j.at("error").get<std::string>(),
                        j.at("differences").get<std::vector<std::string>>(),
                        j.at("warnings").get<std::vector<std::string>>()};
    if (is == "died")
        return Died{j.at("how").get<std::string>()};
    throw std::invalid_argument(fmt::format("'{}' is no kind of message", is));
}

} // namespace

std::string encode(const WorkMessage& message) {
    return std::visit(Encoder{}, message).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::expected<WorkMessage, std::string> decode(std::string_view line) {
    try {
        return messageFrom(json::parse(line));
    } catch (const std::exception& error) {
        return std::unexpected(fmt::format("a worker's message cannot be read: {}", error.what()));
    }
}

} // namespace vfiobind
