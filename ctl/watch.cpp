// SPDX-License-Identifier: LGPL-2.1-or-later
#include "changes.h"
#include "commands.h"
#include "job_tracker.h"
#include "json.h"
#include "output.h"
#include "render.h"

#include <chrono>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl {

namespace {

using Json = nlohmann::ordered_json;

class Watch {
public:
    Watch(Client& client, const Options& options) : client_(client), json_(options.json) {}
    ExitCode run();

private:
    void take(const BusEvent& event);
    void takeChange(const BusEvent& event);
    void takeAdded(const BusEvent& event);
    void takeRemoved(const std::string& path);
    void tell(const std::string& sentence) const;
    void tellAll(const std::vector<std::string>& sentences) const;
    void tellJson(const char* event, const std::string& path, Json state) const;
    template <typename State>
    void change(const BusEvent& event, const bus::PropertyMap& properties,
                std::map<std::string, State>& states);
    void readAll();

    Client& client_;
    bool json_;
    Snapshot snapshot_;
    bool reread_ = false; ///< the daemon is new; calls cannot be made from within a handler
};

/// With the time of day, which is what one compares with the journal.
void Watch::tell(const std::string& sentence) const {
    if (json_)
        return;
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm local{};
    localtime_r(&now, &local);
    printLine(fmt::format("{:%H:%M:%S} {}", local, printable(sentence)));
}

void Watch::tellAll(const std::vector<std::string>& sentences) const {
    for (const std::string& sentence : sentences)
        tell(sentence);
}

void Watch::tellJson(const char* event, const std::string& path, Json state) const {
    if (json_)
        printLine(dumpLine({{"event", event}, {"object", path}, {"state", std::move(state)}}));
}

template <typename State>
void Watch::change(const BusEvent& event, const bus::PropertyMap& properties,
                   std::map<std::string, State>& states) {
    const auto found = states.find(event.path);
    if (found == states.end())
        return; // of an object that came and went before the snapshot
    const State before = found->second;
    takeOver(properties, found->second);
    if (before == found->second)
        return; // the snapshot was newer than the signal
    tellAll(changes(before, found->second));
    tellJson("changed", event.path, toJson(found->second));
}

void Watch::takeChange(const BusEvent& event) {
    for (const auto& [interface, properties] : event.interfaces) {
        if (interface == managerInterface) {
            const ManagerState before = snapshot_.manager;
            takeOver(properties, snapshot_.manager);
            tellAll(changes(before, snapshot_.manager));
            if (before != snapshot_.manager)
                tellJson("changed", event.path, toJson(snapshot_.manager));
        } else if (interface == groupInterface) {
            change(event, properties, snapshot_.groups);
        } else if (interface == deviceInterface) {
            change(event, properties, snapshot_.devices);
        } else if (interface == jobInterface) {
            change(event, properties, snapshot_.jobs);
        }
    }
}

void Watch::takeAdded(const BusEvent& event) {
    const bool known = snapshot_.groups.contains(event.path) || snapshot_.devices.contains(event.path) ||
                       snapshot_.jobs.contains(event.path);
    takeOver(event.path, event.interfaces, snapshot_);
    if (known)
        return; // the snapshot was newer than the signal
    if (const auto group = snapshot_.groups.find(event.path); group != snapshot_.groups.end()) {
        tell(fmt::format("group/{}: new, {}", group->second.number, group->second.state));
        tellJson("added", event.path, toJson(group->second));
    } else if (const auto device = snapshot_.devices.find(event.path); device != snapshot_.devices.end()) {
        tell(fmt::format("{}: new device [{}] {}", device->second.address, device->second.id(),
                         device->second.name()));
        tellJson("added", event.path, toJson(device->second));
    } else if (const auto job = snapshot_.jobs.find(event.path); job != snapshot_.jobs.end()) {
        tell(fmt::format("{}: job {}: {}", groupName(job->second.group), job->second.id, job->second.kind));
        tellAll(changes(JobState{}, job->second));
        tellJson("added", event.path, toJson(job->second));
    }
}

void Watch::takeRemoved(const std::string& path) {
    if (const auto group = snapshot_.groups.find(path); group != snapshot_.groups.end())
        tell(fmt::format("group/{}: gone", group->second.number));
    else if (const auto device = snapshot_.devices.find(path); device != snapshot_.devices.end())
        tell(fmt::format("{}: gone", device->second.address));
    snapshot_.groups.erase(path);
    snapshot_.devices.erase(path);
    snapshot_.jobs.erase(path);
    tellJson("removed", path, nullptr);
}

void Watch::take(const BusEvent& event) {
    switch (event.kind) {
    case BusEvent::Kind::added:
        takeAdded(event);
        break;
    case BusEvent::Kind::removed:
        takeRemoved(event.path);
        break;
    case BusEvent::Kind::changed:
        takeChange(event);
        break;
    case BusEvent::Kind::jobRemoved:
        tell(fmt::format("{}: {} ended: {}", groupName(event.group), groupName(event.path), event.result));
        tellJson("ended", event.path, event.result);
        break;
    case BusEvent::Kind::daemonGone:
        tell("vfio-bindd has left the bus; waiting for it to come back");
        tellJson("daemon-gone", bus::rootPath, nullptr);
        break;
    case BusEvent::Kind::daemonBack:
        reread_ = true;
        break;
    }
}

void Watch::readAll() {
    reread_ = false;
    snapshot_ = json_ ? client_.snapshot() : client_.status();
    Json paths = Json::array();
    for (const auto& [path, group] : snapshot_.groups)
        paths.push_back(toJson(group));
    tellJson("state", bus::rootPath, {{"manager", toJson(snapshot_.manager)}, {"groups", paths}});
    if (!json_)
        print(renderStatus(snapshot_, Style::forStdout(), false));
}

ExitCode Watch::run() {
    client_.subscribe(Client::Topic::everything, [this](const BusEvent& event) { take(event); });
    while (true) { // until a signal ends the program or the bus goes away, which throws
        readAll();
        client_.pump([this] { return reread_; });
        tell("vfio-bindd is back");
    }
}

} // namespace

ExitCode runWatch(Client& client, const Options& options) {
    return Watch(client, options).run();
}

} // namespace vfiobind::ctl
