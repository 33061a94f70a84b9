// SPDX-License-Identifier: LGPL-2.1-or-later
#include "hosts_table.h"

#include "json.h"
#include "lines.h"
#include "render.h"

#include <algorithm>
#include <expected>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl {

namespace {

using nlohmann::ordered_json;

constexpr unsigned widestHost = 30;
constexpr unsigned hostStateColumns = 11;

/// What the table has of a host.
struct HostState {
    ordered_json document;
    std::vector<GroupState> groups; ///< their devices by short address
    std::string configError;
    std::vector<std::string> warnings;
};

GroupState readGroup(const ordered_json& entry) {
    GroupState group;
    group.number = entry.at("number").get<std::uint32_t>();
    group.state = entry.at("state").get<std::string>();
    group.rule = entry.at("rule").get<std::string>();
    group.lastError = entry.at("last-error").get<std::string>();
    if (const auto leases = entry.find("leases"); leases != entry.end()) // a daemon of 0.1.0 has none
        group.leases.resize(leases->size());
    group.job = entry.at("job").get<std::uint32_t>() == 0 ? "/" : "running";
    for (const auto& address : entry.at("devices"))
        group.devices.push_back(ctl::shortAddress(address.get<std::string>())); // an exporter has its own
    for (const auto& blocker : entry.at("blockers"))
        group.blockers.push_back(
            {blocker.at("code").get<std::string>(), {}, blocker.at("sentence").get<std::string>()});
    return group;
}

/// The error is why nothing is known of the host.
std::expected<HostState, std::string> readHost(const HostAnswer& answer) {
    if (!answer.error.empty())
        return std::unexpected(answer.error);
    try {
        HostState state{.document = ordered_json::parse(answer.document),
                        .groups = {},
                        .configError = {},
                        .warnings = {}};
        state.configError = state.document.at("config-error").get<std::string>();
        state.warnings = state.document.at("warnings").get<std::vector<std::string>>();
        for (const auto& entry : state.document.at("groups"))
            state.groups.push_back(readGroup(entry));
        return state;
    } catch (const ordered_json::exception& error) {
        return std::unexpected(
            fmt::format("its daemon's description of its state cannot be read: {}", error.what()));
    }
}

class HostsTable {
public:
    HostsTable(const std::vector<HostAnswer>& answers, const Style& style, bool all);
    std::string take() { return lines_.take(); }

private:
    unsigned columnsBeforeRule() const { return hostColumns_ + 2 + 5 + 2 + hostStateColumns + 2; }
    void row(std::string_view host, std::string_view group, std::string_view state,
             const std::vector<std::string>& rest, Colour colour);
    void note(std::string_view text, Colour colour) { lines_.sentence(hostColumns_ + 9, text, colour); }
    void addHost(const std::string& host, const HostState& state);
    void addGroup(const std::string& host, const GroupState& group);

    Lines lines_;
    bool all_;
    unsigned hostColumns_ = 4;
    unsigned ruleColumns_ = 4;
};

HostsTable::HostsTable(const std::vector<HostAnswer>& answers, const Style& style, bool all) :
    lines_(style), all_(all) {
    std::vector<std::expected<HostState, std::string>> states;
    for (const auto& answer : answers) {
        hostColumns_ = std::max(hostColumns_, displayWidth(printable(answer.host)));
        states.push_back(readHost(answer));
        if (states.back())
            for (const auto& group : states.back()->groups)
                ruleColumns_ = std::max(ruleColumns_, displayWidth(printable(group.rule)));
    }
    hostColumns_ = std::min(hostColumns_, widestHost);
    lines_.raw(
        style.paint(Colour::bold, fmt::format("{}  GROUP  {}  {}  DEVICES", pad("HOST", hostColumns_),
                                              pad("STATE", hostStateColumns), pad("RULE", ruleColumns_))));
    for (std::size_t i = 0; i < answers.size(); ++i)
        if (states[i])
            addHost(answers[i].host, *states[i]);
        else
            row(answers[i].host, "-", "unreachable",
                wrap(printable(states[i].error()), lines_.left(columnsBeforeRule())), Colour::red);
}

/// Further lines of the rest stand below its first.
void HostsTable::row(std::string_view host, std::string_view group, std::string_view state,
                     const std::vector<std::string>& rest, Colour colour) {
    const Style& style = lines_.style();
    const std::string shown = printable(state);
    lines_.raw(pad(cut(printable(host), hostColumns_, style.unicode), hostColumns_) +
               fmt::format("  {:>5}  ", group) + style.paint(colour, shown) +
               pad("", hostStateColumns + 2 - std::min(displayWidth(shown), hostStateColumns)) +
               rest.front());
    for (std::size_t i = 1; i < rest.size(); ++i)
        lines_.raw(pad("", columnsBeforeRule()) + rest[i]);
}

void HostsTable::addGroup(const std::string& host, const GroupState& group) {
    const std::string rest =
        fmt::format("{}  {}", pad(printable(group.rule), ruleColumns_), fmt::join(group.devices, " "));
    row(host, std::to_string(group.number), group.state,
        {cut(printable(rest), lines_.left(columnsBeforeRule()), lines_.style().unicode)},
        stateColour(group.state));
    for (const auto& blocker : group.blockers)
        note(blocker.code + ": " + blocker.sentence, Colour::yellow);
    if (!group.lastError.empty())
        note("last error: " + group.lastError, Colour::red);
}

void HostsTable::addHost(const std::string& host, const HostState& state) {
    bool any = false;
    for (const auto& group : state.groups)
        if (all_ || group.ofInterest()) {
            addGroup(host, group);
            any = true;
        }
    if (!any)
        row(host, "-", "-", {"no group is bound and no rule asks for one"}, Colour::none);
    if (!state.configError.empty())
        note("configuration error: " + state.configError, Colour::red);
    for (const auto& warning : state.warnings)
        note("warning: " + warning, Colour::yellow);
}

} // namespace

bool isDescription(const HostAnswer& answer) {
    return readHost(answer).has_value();
}

std::string renderHosts(const std::vector<HostAnswer>& answers, const Style& style, bool all) {
    return HostsTable(answers, style, all).take();
}

std::string hostsJson(const std::vector<HostAnswer>& answers) {
    auto hosts = ordered_json::array();
    for (const auto& answer : answers) {
        auto known = readHost(answer);
        hosts.push_back({{"host", answer.host},
                         {"error", known ? std::string() : known.error()},
                         {"state", known ? std::move(known->document) : ordered_json(nullptr)}});
    }
    return dumpLine({{"hosts", std::move(hosts)}});
}

} // namespace vfiobind::ctl
