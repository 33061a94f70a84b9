// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client.h"

#include "Group-proxy.h"
#include "Manager-proxy.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

namespace vfiobind::ctl {

/// The root object. Its signals are handed on only after a handler is set.
class Client::Root final
    : public sdbus::ProxyInterfaces<org::vfiobind1::Manager_proxy, sdbus::ObjectManager_proxy,
                                    sdbus::Properties_proxy> {
public:
    explicit Root(Client& client) :
        ProxyInterfaces(*client.connection_, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath}),
        client_(client) {
        registerProxy();
    }
    ~Root() { unregisterProxy(); }
    Root(const Root&) = delete;
    Root& operator=(const Root&) = delete;

private:
    void onJobRemoved(const uint32_t&, const sdbus::ObjectPath& job, const sdbus::ObjectPath& group,
                      const std::string& result) override {
        client_.deliver([&] { return BusEvent{BusEvent::Kind::jobRemoved, job, {}, group, result}; });
    }
    void onInterfacesAdded(const sdbus::ObjectPath& path, const bus::InterfaceMap& interfaces) override {
        client_.deliver([&] { return BusEvent{BusEvent::Kind::added, path, interfaces, {}, {}}; });
    }
    void onInterfacesRemoved(const sdbus::ObjectPath& path, const std::vector<bus::InterfaceName>&) override {
        client_.deliver([&] { return BusEvent{BusEvent::Kind::removed, path, {}, {}, {}}; });
    }
    /// The match rule of watchProperties() covers the root too.
    void onPropertiesChanged(const bus::InterfaceName&, const bus::PropertyMap&,
                             const std::vector<bus::PropertyName>&) override {}

    Client& client_;
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

/// The root and every object below it, in one rule: what comes later is covered before it is there.
constexpr const char* propertiesRule =
    "type='signal',sender='org.vfiobind1',path_namespace='/org/vfiobind1',"
    "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'";

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
    connection_(connect(which, host)), root_(std::make_unique<Root>(*this)) {}

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

void Client::watchProperties() {
    slots_.push_back(bus::addMatch(*connection_, propertiesRule, [this](sdbus::Message& message) {
        deliver([&] {
            BusEvent event;
            event.path = message.getPath();
            bus::InterfaceName interface;
            bus::PropertyMap properties;
            message >> interface >> properties;
            event.interfaces.emplace(interface, std::move(properties));
            return event;
        });
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

void Client::subscribe(std::function<void(const BusEvent&)> handler) {
    handler_ = std::move(handler);
    watchProperties();
    watchOwner();
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
    takeOver(root_->GetAll(bus::InterfaceName{managerInterface}), result.manager);
    for (const auto& [path, interfaces] : root_->GetManagedObjects())
        takeOver(path, interfaces, result);
    return result;
}

std::string Client::describe() {
    return root_->Describe();
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
    const auto [possible, blockers, steps] = root_->Check(target, options);
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
