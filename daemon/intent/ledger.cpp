// SPDX-License-Identifier: LGPL-2.1-or-later
#include "intent/ledger.h"

#include "intent/request_json.h"
#include "transaction/json_values.h"

#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"

#include <cerrno>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vfiobind {
namespace {

using nlohmann::json;

constexpr std::size_t maxLedgerSize = 16U << 20;

json toJson(const LedgerEntry& entry) {
    json j{{"members", toJson(entry.members)}};
    if (entry.request)
        j["request"] = toJson(*entry.request);
    if (const auto& o = entry.owned) {
        j["owned"] = {{"rule", o->rule}, {"native", json::object()}};
        for (const auto& [address, driver] : o->native)
            j["owned"]["native"][address.str()] = driver;
    }
    return j;
}

LedgerEntry entryFrom(const json& j) {
    LedgerEntry entry;
    entry.members = membersFrom(j.at("members"));
    if (const auto request = j.find("request"); request != j.end())
        entry.request = requestFrom(*request);
    if (const auto o = j.find("owned"); o != j.end()) {
        entry.owned = Owned{.rule = o->at("rule").get<std::string>()};
        for (const auto& [address, driver] : o->at("native").items())
            entry.owned->native[addressFrom(address)] = driver.get<std::string>();
    }
    return entry;
}

} // namespace

std::expected<void, std::string> Ledger::load() {
    const auto text = RealSysfs().read(file_, maxLedgerSize);
    if (!text) {
        if (text.error().code == ENOENT)
            return {};
        return std::unexpected(text.error().str());
    }
    try {
        const auto document = json::parse(*text);
        for (const auto& [group, entry] : document.items())
            entries_[static_cast<unsigned>(std::stoul(group))] = entryFrom(entry);
    } catch (const std::exception& error) {
        entries_.clear();
        return std::unexpected(fmt::format("{} cannot be read: {}", file_, error.what()));
    }
    return {};
}

void Ledger::prune(const Topology& topology) {
    for (auto& [group, entry] : entries_) {
        const auto gone = std::erase_if(entry.members, [&, number = group](const auto& member) {
            const auto* device = topology.find(member.first);
            return device == nullptr || device->group != number || device->ids != member.second;
        });
        if (gone == 0)
            continue;
        lines_.erase(group);
        // A member that was unplugged and comes back is a new one, so it is not drift that it has its native
        // driver.
        if (entry.owned)
            std::erase_if(entry.owned->native, [&members = entry.members](const auto& member) {
                return !members.contains(member.first);
            });
    }
    std::erase_if(entries_, [](const auto& item) { return item.second.members.empty(); });
}

const LedgerEntry* Ledger::find(unsigned group) const {
    const auto it = entries_.find(group);
    return it == entries_.end() ? nullptr : &it->second;
}

LedgerEntry Ledger::entryNow(unsigned group, const Topology& topology) const {
    const auto* known = find(group);
    LedgerEntry entry = known != nullptr ? *known : LedgerEntry{};
    entry.members.clear();
    for (const auto* device : topology.endpoints(group))
        entry.members[device->address] = device->ids;
    return entry;
}

SysResult<void> Ledger::setRequests(const Topology& topology,
                                    const std::map<unsigned, std::optional<Request>>& requests) {
    std::map<unsigned, LedgerEntry> changed;
    for (const auto& [group, request] : requests) {
        if (const auto* known = find(group); known == nullptr ? !request : known->request == request)
            continue;
        auto entry = entryNow(group, topology);
        entry.request = request;
        changed.emplace(group, std::move(entry));
    }
    return replace(changed);
}

SysResult<void> Ledger::setOwned(unsigned group, const Topology& topology, std::optional<Owned> owned) {
    if (const auto* known = find(group); known == nullptr ? !owned : known->owned == owned)
        return {};
    auto entry = entryNow(group, topology);
    entry.owned = std::move(owned);
    return replace({{group, std::move(entry)}});
}

SysResult<void> Ledger::dropReleases() {
    std::map<unsigned, LedgerEntry> changed;
    for (const auto& [group, entry] : entries_)
        if (entry.request && entry.request->action == Action::release)
            changed.emplace(group, entry).first->second.request.reset();
    return replace(changed);
}

void Ledger::put(unsigned group, std::optional<LedgerEntry> entry) {
    lines_.erase(group);
    if (entry && (entry->request || entry->owned))
        entries_.insert_or_assign(group, std::move(*entry));
    else
        entries_.erase(group);
}

/// Writes the file, then keeps the changes in memory too. On an error, keeps neither: the caller hears that
/// nothing is done.
SysResult<void> Ledger::replace(const std::map<unsigned, LedgerEntry>& changed) {
    if (changed.empty())
        return {};
    std::map<unsigned, std::optional<LedgerEntry>> before;
    for (const auto& [group, entry] : changed) {
        const auto* known = find(group);
        before.emplace(group, known != nullptr ? std::optional(*known) : std::nullopt);
        put(group, entry);
    }
    auto saved = save();
    if (!saved)
        for (auto& [group, entry] : before)
            put(group, std::move(entry));
    return saved;
}

/// Writes one JSON object, an entry a line. Only entries that changed are formatted anew: the file is written
/// at the end of each job.
SysResult<void> Ledger::save() {
    if (file_.empty())
        return {};
    std::string content;
    for (const auto& [group, entry] : entries_) {
        auto& line = lines_[group];
        if (line.empty())
            line = fmt::format("\"{}\": {}", group,
                               toJson(entry).dump(-1, ' ', false, json::error_handler_t::replace));
        content += content.empty() ? "{\n" : ",\n";
        content += line;
    }
    return writeFileAtomically(file_, content.empty() ? "{}\n" : content + "\n}\n", 0600);
}

} // namespace vfiobind
