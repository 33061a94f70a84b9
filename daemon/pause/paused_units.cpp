// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pause/paused_units.h"

#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"
#include "transaction/json_values.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

using nlohmann::json;

constexpr std::size_t maxPausedSize = 1U << 20;

} // namespace

std::expected<void, std::string> PausedUnits::load() {
    if (file_.empty())
        return {};
    const auto text = RealSysfs().read(file_, maxPausedSize);
    if (!text) {
        if (text.error().code == ENOENT)
            return {};
        return std::unexpected(text.error().str());
    }
    try {
        const auto document = json::parse(*text);
        for (const auto& entry : document) {
            Paused paused{.unit = entry.at("unit").get<std::string>(), .groups = {}};
            for (std::size_t i = 0; i < entry.at("groups").size(); ++i)
                paused.groups.insert(numberAt<unsigned>(entry.at("groups"), i));
            paused_.push_back(std::move(paused));
        }
    } catch (const std::exception& error) {
        paused_.clear();
        return std::unexpected(fmt::format("{} cannot be read: {}", file_, error.what()));
    }
    inTurn([this] { startLast(); });
    return {};
}

void PausedUnits::inTurn(Task task) {
    tasks_.push_back(std::move(task));
    if (tasks_.size() == 1)
        Task(tasks_.front())();
}

void PausedUnits::next() {
    tasks_.pop_front();
    if (!tasks_.empty())
        Task(tasks_.front())(); // a copy, since the task may remove itself from the queue
}

void PausedUnits::pause(unsigned group, std::vector<std::string> units, Done done) {
    inTurn([this, group, units = std::move(units), done = std::move(done)] {
        pauseNext(group, units, [this, done](std::expected<void, std::string> result) {
            done(std::move(result));
            next();
        });
    });
}

void PausedUnits::pauseNext(unsigned group, std::vector<std::string> units, const Done& done) {
    if (units.empty())
        return done({});
    const auto name = units.front();
    units.erase(units.begin());
    units_.look(name, [this, group, name, units = std::move(units),
                       done](const std::expected<UnitStatus, std::string>& unit) {
        if (!unit)
            return done(std::unexpected(fmt::format("{} cannot be paused: {}", name, unit.error())));
        take(group, *unit, done, [this, group, units, done] { pauseNext(group, units, done); });
    });
}

void PausedUnits::take(unsigned group, const UnitStatus& unit, const Done& done, const Task& others) {
    const auto before = paused_;
    const auto known = std::ranges::find(paused_, unit.id, &Paused::unit);
    const bool stands = known != paused_.end();
    if (!stands && !unit.runs)
        return others();
    if (stands)
        known->groups.insert(group);
    else
        paused_.push_back({.unit = unit.id, .groups = {group}});
    if (const auto saved = save(); !saved) {
        paused_ = before;
        return done(std::unexpected(fmt::format("{} is not stopped, since that cannot be written down: {}",
                                                unit.id, saved.error().str())));
    }
    if (stands)
        return others();
    spdlog::info("group {}: {} is stopped", group, unit.id);
    units_.stop(unit.id, [id = unit.id, done, others](const std::expected<void, std::string>& stopped) {
        if (!stopped)
            return done(std::unexpected(fmt::format("{} does not stop: {}", id, stopped.error())));
        others();
    });
}

void PausedUnits::resume(unsigned group) {
    inTurn([this, group] {
        bool changed = false;
        for (auto& paused : paused_)
            changed |= paused.groups.erase(group) != 0;
        if (changed)
            saveOrWarn();
        startLast();
    });
}

/// Starts the units that no group needs stopped, the one stopped last first.
void PausedUnits::startLast() {
    const auto last = std::find_if(paused_.rbegin(), paused_.rend(),
                                   [](const auto& paused) { return paused.groups.empty(); });
    if (last == paused_.rend())
        return next();
    spdlog::info("{} is started again", last->unit);
    units_.start(last->unit, [this, id = last->unit](const std::expected<void, std::string>& started) {
        if (!started)
            spdlog::error("{} was stopped for a group and does not start again: {}", id, started.error());
        std::erase_if(paused_, [&id](const auto& paused) { return paused.unit == id; });
        saveOrWarn();
        startLast();
    });
}

std::set<unsigned> PausedUnits::groups() const {
    std::set<unsigned> all;
    for (const auto& paused : paused_)
        all.insert(paused.groups.begin(), paused.groups.end());
    return all;
}

std::vector<std::string> PausedUnits::of(unsigned group) const {
    std::vector<std::string> units;
    for (const auto& paused : paused_)
        if (paused.groups.contains(group))
            units.push_back(paused.unit);
    return units;
}

/// Logs an error instead of returning it, for units that are started already: at worst the next daemon starts
/// a running unit, which does nothing.
void PausedUnits::saveOrWarn() {
    if (const auto saved = save(); !saved)
        spdlog::error("which units are stopped cannot be written down: {}", saved.error().str());
}

SysResult<void> PausedUnits::save() const {
    if (file_.empty())
        return {};
    json document = json::array();
    for (const auto& paused : paused_)
        document.push_back({{"unit", paused.unit}, {"groups", paused.groups}});
    return writeFileAtomically(file_, document.dump() + '\n', 0600);
}

} // namespace vfiobind
