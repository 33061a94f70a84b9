// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus_client.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <stdexcept>

namespace vfiobind::bustest {
namespace {

constexpr const char* ours = "type='signal',sender='org.vfiobind1',path_namespace='/org/vfiobind1'";

std::string rule(const char* interface, const char* member) {
    return std::string(ours) + ",interface='" + interface + "',member='" + member + "'";
}

std::vector<std::string> toStrings(const std::vector<sdbus::ObjectPath>& paths) {
    return {paths.begin(), paths.end()};
}

} // namespace

std::string devicePath(std::string address) {
    std::ranges::replace(address, ':', '_');
    std::ranges::replace(address, '.', '_');
    return "/org/vfiobind1/device/" + address;
}

BusClient::BusClient() :
    connection_(bus::openSessionBus()), manager_(std::make_unique<Manager>(*connection_)) {
    watch();
    synchronise();
}

void BusClient::watch() {
    slots_.push_back(bus::addMatch(*connection_, rule("org.freedesktop.DBus.Properties", "PropertiesChanged"),
                                   [this](sdbus::Message& message) {
                                       bus::InterfaceName interface;
                                       bus::PropertyMap now;
                                       message >> interface >> now;
                                       propertiesChanged(message.getPath(), interface, toJson(now));
                                   }));
    slots_.push_back(bus::addMatch(*connection_,
                                   rule("org.freedesktop.DBus.ObjectManager", "InterfacesAdded"),
                                   [this](sdbus::Message& message) {
                                       sdbus::ObjectPath path;
                                       bus::InterfaceMap interfaces;
                                       message >> path >> interfaces;
                                       added(path, toJson(interfaces));
                                   }));
    slots_.push_back(bus::addMatch(*connection_,
                                   rule("org.freedesktop.DBus.ObjectManager", "InterfacesRemoved"),
                                   [this](sdbus::Message& message) {
                                       sdbus::ObjectPath path;
                                       message >> path;
                                       removed(path);
                                   }));
    slots_.push_back(
        bus::addMatch(*connection_, rule(managerInterface, "JobRemoved"), [this](sdbus::Message& message) {
            std::uint32_t id = 0;
            sdbus::ObjectPath job;
            sdbus::ObjectPath group;
            std::string result;
            message >> id >> job >> group >> result;
            if (live_ && !known_.contains(job))
                complaints_ += "JobRemoved tells of " + job + ", which was not announced\n";
            results_[job] = result;
        }));
}

void BusClient::propertiesChanged(const std::string& path, const std::string& interface,
                                  const std::map<std::string, json>& now) {
    if (!live_)
        return;
    const auto object = known_.find(path);
    if (object == known_.end()) {
        complaints_ += "PropertiesChanged of " + path + ", which was not announced\n";
        return;
    }
    for (const auto& [name, value] : now) {
        auto& before = object->second[interface][name];
        if (before == value)
            complaints_ += path + ' ' + name + " was told as changed, and still is " + value.dump() + '\n';
        before = value;
        changed_[path + ' ' + name].push_back(value);
    }
}

void BusClient::added(const std::string& path,
                      std::map<std::string, std::map<std::string, json>> interfaces) {
    if (!live_)
        return;
    if (!known_.emplace(path, std::move(interfaces)).second)
        complaints_ += path + " was announced twice\n";
}

void BusClient::removed(const std::string& path) {
    if (live_ && known_.erase(path) == 0)
        complaints_ += path + " was told as gone, and was not there\n";
}

std::set<std::string> BusClient::changedOf(const std::string& path) const {
    std::set<std::string> names;
    for (const auto& [key, values] : changed_)
        if (key.starts_with(path + ' '))
            names.insert(key.substr(path.size() + 1));
    return names;
}

std::set<std::string> BusClient::changedObjects() const {
    std::set<std::string> paths;
    for (const auto& [key, values] : changed_)
        paths.insert(key.substr(0, key.find(' ')));
    return paths;
}

void BusClient::waitFor(const std::string& what, const std::function<bool()>& condition) {
    const Deadline deadline;
    for (;;) {
        do {
            if (condition())
                return;
        } while (bus::processPending(*connection_));
        auto request = bus::pollRequest(*connection_);
        const int limit = deadline.left();
        if (limit == 0)
            throw std::runtime_error("waited in vain for " + what);
        const int timeout = request.timeout < 0 ? limit : std::min(limit, request.timeout);
        if (poll(request.fds.data(), request.fds.size(), timeout) < 0 && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "poll");
    }
}

void BusClient::waitForState(unsigned group, const std::string& state) {
    waitFor(groupPath(group) + " to become " + state, [&] {
        const auto object = known_.find(groupPath(group));
        return object != known_.end() && object->second.at(groupInterface).at("State") == state;
    });
}

std::string BusClient::resultOf(const std::string& job) {
    waitFor("the end of " + job, [&] { return results_.contains(job); });
    return results_.at(job);
}

std::vector<std::string> BusClient::results(const std::vector<std::string>& jobs) {
    std::vector<std::string> list;
    for (const auto& job : jobs)
        list.push_back(resultOf(job));
    return list;
}

std::vector<std::string> BusClient::bind(const std::string& target, const Options& options) {
    return toStrings(manager_->Bind(target, options));
}

std::vector<std::string> BusClient::release(const std::string& target, const Options& options) {
    return toStrings(manager_->Release(target, options));
}

std::vector<std::string> BusClient::bindAndWait(const std::string& target, const Options& options) {
    return results(bind(target, options));
}

std::vector<std::string> BusClient::releaseAndWait(const std::string& target, const Options& options) {
    return results(release(target, options));
}

std::unique_ptr<sdbus::IProxy> BusClient::callBind(const std::string& target, BindAnswer answer) {
    auto proxy =
        sdbus::createProxy(*connection_, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath});
    bus::finishRegistration(*proxy);
    proxy->callMethodAsync("Bind")
        .onInterface(managerInterface)
        .withTimeout(patience)
        .withArguments(target, Options{})
        .uponReplyInvoke(
            [answer = std::move(answer)](bus::AsyncError error, const std::vector<sdbus::ObjectPath>& jobs) {
                answer(std::move(error), jobs);
            });
    return proxy;
}

BusClient::CheckResult BusClient::check(const std::string& target, const Options& options) {
    const auto [possible, blockers, steps] = manager_->Check(target, options);
    CheckResult result{possible, {}, steps};
    for (const auto& blocker : blockers)
        result.blockers.push_back(std::get<0>(blocker));
    return result;
}

json BusClient::property(const std::string& path, const std::string& interface, const std::string& name) {
    const auto proxy = sdbus::createProxy(*connection_, bus::BusName{bus::busName}, sdbus::ObjectPath{path});
    sdbus::Variant value;
    proxy->callMethod("Get")
        .onInterface("org.freedesktop.DBus.Properties")
        .withArguments(interface, name)
        .storeResultsTo(value);
    return toJson(value);
}

Objects BusClient::objects() {
    Objects all = toJson(manager_->GetManagedObjects());
    all[bus::rootPath][managerInterface] = toJson(manager_->GetAll(bus::InterfaceName{managerInterface}));
    return all;
}

void BusClient::inTurn(const std::function<void(Objects)>& take) {
    const auto proxy =
        sdbus::createProxy(*connection_, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath});
    bus::finishRegistration(*proxy);
    bool done = false;
    bus::PropertyMap root;
    std::string failure;
    proxy->callMethodAsync("GetAll")
        .onInterface("org.freedesktop.DBus.Properties")
        .withArguments(std::string(managerInterface))
        .uponReplyInvoke([&](bus::AsyncError error, const bus::PropertyMap& properties) {
            if (error)
                failure = error->getMessage();
            root = properties;
        });
    proxy->callMethodAsync("GetManagedObjects")
        .onInterface("org.freedesktop.DBus.ObjectManager")
        .uponReplyInvoke([&](bus::AsyncError error, const bus::ManagedObjects& objects) {
            if (error)
                failure = error->getMessage();
            auto all = toJson(objects);
            all[bus::rootPath][managerInterface] = toJson(root);
            take(std::move(all));
            done = true;
        });
    waitFor("GetManagedObjects", [&] { return done || !failure.empty(); });
    if (!failure.empty())
        throw std::runtime_error("GetManagedObjects: " + failure);
}

void BusClient::synchronise() {
    live_ = false;
    inTurn([this](Objects all) {
        known_ = std::move(all);
        changed_.clear();
        results_.clear();
        live_ = true;
    });
}

std::string BusClient::audit() {
    std::string found;
    inTurn([&](const Objects& all) { found = complaints_ + differences(all, known_); });
    return found;
}

Refusal refusalOf(const std::function<void()>& call) {
    try {
        call();
    } catch (const sdbus::Error& error) {
        std::string name = error.getName();
        if (name.starts_with(bus::errorPrefix))
            name.erase(0, std::string(bus::errorPrefix).size());
        return {name, error.getMessage()};
    }
    throw std::runtime_error("the call was expected to be refused, and was not");
}

} // namespace vfiobind::bustest
