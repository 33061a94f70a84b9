// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client.h"

#include "Group-proxy.h"
#include "Manager-proxy.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

namespace vfiobind::ctl {

/// What can be called of the root object. It is not registered: that would subscribe to all of its signals, a
/// round trip to the bus each, and most commands wait for none.
class Client::Calls final
    : public sdbus::ProxyInterfaces<org::vfiobind1::Manager_proxy, sdbus::ObjectManager_proxy,
                                    sdbus::Properties_proxy> {
public:
    explicit Calls(sdbus::IConnection& connection) :
        ProxyInterfaces(connection, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath}) {}

private:
    void onJobRemoved(const uint32_t&, const sdbus::ObjectPath&, const sdbus::ObjectPath&,
                      const std::string&) override {}
    void onInterfacesAdded(const sdbus::ObjectPath&, const bus::InterfaceMap&) override {}
    void onInterfacesRemoved(const sdbus::ObjectPath&, const std::vector<bus::InterfaceName>&) override {}
    void onPropertiesChanged(const bus::InterfaceName&, const bus::PropertyMap&,
                             const std::vector<bus::PropertyName>&) override {}
};

namespace {

class GroupObject final : public sdbus::ProxyInterfaces<org::vfiobind1::Group_proxy> {
public:
    GroupObject(sdbus::IConnection& connection, const std::string& path) :
        ProxyInterfaces(connection, bus::BusName{bus::busName}, sdbus::ObjectPath{path}) {
        registerProxy();
    }
    ~GroupObject() { unregisterProxy(); }
    GroupObject(const GroupObject&) = delete;
    GroupObject& operator=(const GroupObject&) = delete;
};

std::unique_ptr<sdbus::IConnection> connect(Client::Bus which, const std::string& host) {
    try {
        switch (which) {
        case Client::Bus::session:
            return bus::openSessionBus();
        case Client::Bus::remote:
            return sdbus::createRemoteSystemBusConnection(host);
        case Client::Bus::system:
            break;
        }
        return bus::openSystemBus();
    } catch (const sdbus::Error& error) {
        const std::string name = which == Client::Bus::session  ? "the session bus"
                                 : which == Client::Bus::remote ? "the system bus of " + host
                                                                : "the system bus";
        throw bus::makeError("org.freedesktop.DBus.Error.NoServer",
                             fmt::format("{} cannot be reached: {}", name, error.getMessage()));
    }
}

/// A rule for signals of the daemon. What comes later is covered before it is there.
std::string rule(const char* interface, const char* member, const std::string& more) {
    return fmt::format("type='signal',sender='org.vfiobind1',interface='{}',member='{}',{}", interface,
                       member, more);
}

constexpr const char* objectManager = "org.freedesktop.DBus.ObjectManager";

BusEvent readJobRemoved(sdbus::Message& message) {
    std::uint32_t id = 0;
    sdbus::ObjectPath job;
    sdbus::ObjectPath group;
    std::string result;
    message >> id >> job >> group >> result;
    return {BusEvent::Kind::jobRemoved, job, {}, group, result};
}

BusEvent readAdded(sdbus::Message& message) {
    sdbus::ObjectPath path;
    bus::InterfaceMap interfaces;
    message >> path >> interfaces;
    return {BusEvent::Kind::added, path, std::move(interfaces), {}, {}};
}

BusEvent readRemoved(sdbus::Message& message) {
    sdbus::ObjectPath path;
    message >> path;
    return {BusEvent::Kind::removed, path, {}, {}, {}};
}

BusEvent readChanged(sdbus::Message& message) {
    BusEvent event;
    event.path = message.getPath();
    bus::InterfaceName interface;
    bus::PropertyMap properties;
    message >> interface >> properties;
    event.interfaces.emplace(interface, std::move(properties));
    return event;
}

constexpr const char* ownerRule =
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
    "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.vfiobind1'";

/// In microseconds. The daemon gives the user five minutes to find his password.
constexpr std::uint64_t authorisationLimit = 6ULL * 60 * 1'000'000;

std::vector<std::string> toStrings(const std::vector<sdbus::ObjectPath>& paths) {
    return {paths.begin(), paths.end()};
}

} // namespace

Client::Client(Bus which, const std::string& host) :
    connection_(connect(which, host)), calls_(std::make_unique<Calls>(*connection_)) {}

Client::~Client() = default;

void Client::deliver(const std::function<BusEvent()>& make) {
    if (!handler_ || failure_)
        return;
    try {
        handler_(make());
    } catch (...) {
        failure_ = std::current_exception();
    }
}

void Client::watch(const std::string& rule, const std::function<BusEvent(sdbus::Message&)>& read) {
    slots_.push_back(bus::addMatch(*connection_, rule, [this, read](sdbus::Message& message) {
        deliver([&] { return read(message); });
    }));
}

void Client::watchOwner() {
    slots_.push_back(bus::addMatch(*connection_, ownerRule, [this](sdbus::Message& message) {
        std::string name;
        std::string before;
        std::string after;
        try {
            message >> name >> before >> after;
        } catch (const sdbus::Error&) {
            failure_ = std::current_exception();
            return;
        }
        if (!before.empty())
            deliver([] { return BusEvent{BusEvent::Kind::daemonGone, {}, {}, {}, {}}; });
        if (!after.empty())
            deliver([] { return BusEvent{BusEvent::Kind::daemonBack, {}, {}, {}, {}}; });
    }));
}

void Client::subscribe(Topic topic, std::function<void(const BusEvent&)> handler) {
    handler_ = std::move(handler);
    const bool all = topic == Topic::everything;
    watch(rule(managerInterface, "JobRemoved", "path='/org/vfiobind1'"), readJobRemoved);
    watch(rule(objectManager, "InterfacesAdded",
               all ? "path='/org/vfiobind1'" : "path='/org/vfiobind1',arg0path='/org/vfiobind1/job/'"),
          readAdded);
    watch(rule("org.freedesktop.DBus.Properties", "PropertiesChanged",
               all ? "path_namespace='/org/vfiobind1'" : "path_namespace='/org/vfiobind1/job'"),
          readChanged);
    if (all)
        watch(rule(objectManager, "InterfacesRemoved", "path='/org/vfiobind1'"), readRemoved);
    watchOwner();
}

void Client::takePending() {
    while (bus::processPending(*connection_)) {
    }
    if (failure_)
        std::rethrow_exception(failure_);
}

void Client::pump(const std::function<bool()>& finished) {
    while (true) {
        do {
            if (failure_)
                std::rethrow_exception(failure_);
            if (finished())
                return;
        } while (bus::processPending(*connection_));
        auto request = bus::pollRequest(*connection_);
        if (poll(request.fds.data(), request.fds.size(), request.timeout) < 0 && errno != EINTR)
            throw sdbus::createError(errno, "cannot wait for the bus");
    }
}

bool Client::daemonRuns() {
    const auto broker = sdbus::createProxy(*connection_, bus::BusName{"org.freedesktop.DBus"},
                                           sdbus::ObjectPath{"/org/freedesktop/DBus"});
    bool runs = false;
    broker->callMethod("NameHasOwner")
        .onInterface("org.freedesktop.DBus")
        .withArguments(std::string(bus::busName))
        .storeResultsTo(runs);
    return runs;
}

Snapshot Client::snapshot() {
    Snapshot result;
    takeOver(calls_->GetAll(bus::InterfaceName{managerInterface}), result.manager);
    for (const auto& [path, interfaces] : calls_->GetManagedObjects())
        takeOver(path, interfaces, result);
    return result;
}

Snapshot Client::status() {
    Snapshot result = snapshot();
    for (RuleState& rule : result.rulesWithoutGroup()) {
        try {
            auto matches = resolve(rule.name).devices;
            result.idleRules.push_back({std::move(rule), std::move(matches)});
        } catch (const sdbus::Error& error) {
            if (error.getName() == "org.vfiobind1.Error.NoSuchDevice")
                result.idleRules.push_back({std::move(rule), {}});
            else if (error.getName() != "org.vfiobind1.Error.NoSuchRule") // a reload has taken it away
                throw;
        }
    }
    return result;
}

Resolved Client::resolve(const std::string& target) {
    const auto [groups, devices] = calls_->Resolve(target);
    return {toStrings(groups), toStrings(devices)};
}

std::string Client::describe() {
    return calls_->Describe();
}

std::vector<std::string> Client::bind(const std::string& target, const CallOptions& options) {
    return change("Bind", target, options);
}

std::vector<std::string> Client::release(const std::string& target, const CallOptions& options) {
    return change("Release", target, options);
}

std::vector<std::string> Client::change(const std::string& method, const std::string& target,
                                        const CallOptions& options) {
    auto reply = bus::callInteractively(*connection_, bus::rootPath, managerInterface, method,
                                        authorisationLimit, target, options);
    std::vector<sdbus::ObjectPath> jobs;
    reply >> jobs;
    return toStrings(jobs);
}

Acquired Client::acquire(const std::string& target, const CallOptions& options) {
    auto reply = bus::callInteractively(*connection_, bus::rootPath, managerInterface, "Acquire",
                                        authorisationLimit, target, options);
    sdbus::UnixFd lease;
    std::vector<sdbus::ObjectPath> jobs;
    reply >> lease >> jobs;
    // sdbus-c++ copies it in a way by which a command would inherit it.
    const int own = fcntl(lease.get(), F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        throw sdbus::createError(errno, "the lease cannot be kept");
    return {Descriptor(own), toStrings(jobs)};
}

CheckResult Client::check(const std::string& target, const CallOptions& options) {
    const auto [possible, blockers, steps] = calls_->Check(target, options);
    return {possible, toBlockers(blockers), steps};
}

void Client::reload() {
    bus::callInteractively(*connection_, bus::rootPath, managerInterface, "Reload", authorisationLimit);
}

std::optional<std::string> Client::lastError(const std::string& groupPath) {
    try {
        return GroupObject(*connection_, groupPath).LastError();
    } catch (const sdbus::Error& error) {
        if (error.getName() == "org.freedesktop.DBus.Error.UnknownObject" ||
            error.getName() == "org.freedesktop.DBus.Error.UnknownMethod")
            return std::nullopt; // unplugged meanwhile
        throw;
    }
}

} // namespace vfiobind::ctl
